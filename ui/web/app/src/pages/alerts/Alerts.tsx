import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { alertsQuery } from '../../api/alerts'
import { nodeQuery, sitesQuery } from '../../api/queries'
import type { Site } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { More } from '../../parts/More'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { alertSeverities, alertStates, type AlertSearch } from '../../words/alerts'
import { plural } from '../../words/count'
import classes from './Alerts.module.css'
import { Act, AlertItem } from './AlertItem'
import { AlertSites } from './AlertSites'

const stateWords: Record<(typeof alertStates)[number], string> = {
  unresolved: 'Not resolved',
  open: 'Open',
  acknowledged: 'Acknowledged',
  resolved: 'Resolved',
  all: 'All',
}

/** The alerts of a site; at a controller, of the one that is chosen. */
export function AlertsPage() {
  useTitle('Alerts')
  const search = useSearch({ from: '/alerts' })
  const navigate = useNavigate()
  const node = useQuery(nodeQuery).data
  const controller = node?.role === 'controller'
  const sites = useQuery({ ...sitesQuery, enabled: controller }).data
  const set = (more: Partial<AlertSearch>) =>
    void navigate({ to: '/alerts', search: { ...search, ...more }, replace: true })
  return (
    <div className={card.page}>
      <header className={card.head}>
        <h1>Alerts</h1>
        <Button className={card.end} variant="default" renderRoot={(props) => <Link to="/alerts/rules" {...props} />}>
          Rules
        </Button>
      </header>
      <div className={card.filters} role="group" aria-label="Filters">
        {controller ? (
          <NativeSelect
            label="Site"
            value={search.site ?? ''}
            onChange={(e) => set({ site: e.currentTarget.value || undefined })}
            data={[{ value: '', label: 'Choose a site' }, ...(sites ?? []).map((s) => s.name)]}
          />
        ) : null}
        <NativeSelect
          label="State"
          value={search.state ?? 'unresolved'}
          onChange={(e) => set({ state: e.currentTarget.value as AlertSearch['state'] })}
          data={alertStates.map((s) => ({ value: s, label: stateWords[s] }))}
        />
        <NativeSelect
          label="Severity"
          value={search.severity ?? ''}
          onChange={(e) => set({ severity: (e.currentTarget.value || undefined) as AlertSearch['severity'] })}
          data={[
            { value: '', label: 'Any' },
            ...alertSeverities.map((s) => ({ value: s, label: s.charAt(0).toUpperCase() + s.slice(1) })),
          ]}
        />
        <Entry label="Host" placeholder="name or id" value={search.host} onDone={(host) => set({ host })} />
        <Entry label="Rule" placeholder="its name" value={search.rule} onDone={(rule) => set({ rule })} />
        {search.state || search.severity || search.host || search.rule ? (
          <Button
            variant="subtle"
            onClick={() => void navigate({ to: '/alerts', search: { site: search.site }, replace: true })}
          >
            Clear
          </Button>
        ) : null}
      </div>
      {!node ? null : controller && !search.site ? (
        <AlertSites sites={sites} />
      ) : (
        <AlertList
          key={search.site}
          search={search}
          controller={controller}
          site={sites?.find((s) => s.name === search.site)}
        />
      )}
    </div>
  )
}

/** A filter of free text, which counts once it is entered. */
function Entry({
  label,
  placeholder,
  value,
  onDone,
}: {
  label: string
  placeholder: string
  value: string | undefined
  onDone: (v: string | undefined) => void
}) {
  const [typed, setTyped] = useState<string>()
  const done = () => {
    if (typed !== undefined && typed.trim() !== (value ?? '')) onDone(typed.trim() || undefined)
    setTyped(undefined)
  }
  return (
    <TextInput
      label={label}
      placeholder={placeholder}
      autoComplete="off"
      spellCheck={false}
      value={typed ?? value ?? ''}
      onChange={(e) => setTyped(e.currentTarget.value)}
      onBlur={done}
      onKeyDown={(e) => {
        if (e.key === 'Enter') done()
      }}
    />
  )
}

function AlertList({ search, controller, site }: { search: AlertSearch; controller: boolean; site?: Site }) {
  const query = useInfiniteQuery(alertsQuery(search, controller))
  const pages = query.data?.pages ?? []
  const alerts = pages.flatMap((p) => p.alerts ?? [])
  const head = pages[0]
  return (
    <>
      <Refusal
        error={query.error}
        title={controller ? `The alerts of ${search.site} cannot be shown now` : 'The alerts cannot be read'}
      />
      {controller && head ? (
        <p className={card.note}>
          Answered by {head.site} <AsOf at={head.as_of} />. Open an alert to acknowledge or resolve it there.
        </p>
      ) : null}
      {/* It stays while the site is asked again, with what was said of the decision. */}
      {query.errorUpdateCount > 0 && !head && site ? <Newest site={site} /> : null}
      {head ? (
        <section className={classes.list} aria-label="Alerts" aria-busy={query.isPlaceholderData}>
          <p className={card.note} role="status">
            {alerts.length === 0
              ? 'No alert is like that.'
              : `${plural(alerts.length, 'alert')}${query.hasNextPage ? ', and there are more' : ''}`}
            {' · '}
            <AsOf at={head.judged_at} absent="rules not judged since the start" prefix="rules judged " />
          </p>
          {alerts.map((a) => (
            <AlertItem key={a.id} alert={a} site={controller ? search.site : undefined} />
          ))}
          <More query={query} />
        </section>
      ) : query.isLoading ? (
        <p className="muted">{controller ? `Asking ${search.site}…` : 'Asking the server…'}</p>
      ) : null}
    </>
  )
}

/** At a controller whose site does not answer: the one alert that it told of by name, which can be decided all the same. */
function Newest({ site }: { site: Site }) {
  const newest = site.alerts?.newest
  if (!newest) return null
  return (
    <section className={card.card} aria-label="The newest alert">
      <h2>
        {newest.rule}: {newest.label}
      </h2>
      <p className={card.note}>
        The newest alert that {site.name} told of, opened <AsOf at={newest.opened_at} />. What is decided here goes to
        the site when it is back.
      </p>
      <Act id={newest.id} open site={site.name} />
    </section>
  )
}
