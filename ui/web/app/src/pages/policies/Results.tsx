import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { resultsQuery } from '../../api/alerts'
import { sitesQuery } from '../../api/queries'
import type { Policy, PolicyHostResult } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { More } from '../../parts/More'
import { Refusal } from '../../parts/Refusal'
import { SeverityTag } from '../../parts/Severity'
import { count, plural } from '../../words/count'
import { outcomeWords, type ResultSearch } from '../../words/detail'
import classes from './Results.module.css'

/** Which hosts meet a policy; at a controller the hosts of one site, or one host. */
export function Results({ policy, controller }: { policy: Policy; controller: boolean }) {
  const search = useSearch({ from: '/policies/$policy' })
  const navigate = useNavigate()
  const sites = useQuery({ ...sitesQuery, enabled: controller }).data
  const [host, setHost] = useState<string>()
  const enabled = !controller || search.site !== undefined || search.host !== undefined
  const query = useInfiniteQuery({
    ...resultsQuery(policy.id, { host: search.host, site: search.site, all: search.all ? true : undefined }),
    enabled,
  })
  const set = (more: Partial<ResultSearch>) =>
    void navigate({
      to: '/policies/$policy',
      params: { policy: policy.id },
      search: { ...search, ...more },
      replace: true,
    })
  const named = () => {
    if (host !== undefined && host.trim() !== (search.host ?? '')) set({ host: host.trim() || undefined })
    setHost(undefined)
  }
  const pages = query.data?.pages ?? []
  const rows = pages.flatMap((p) => p.hosts ?? [])
  const head = pages[0]
  return (
    <section className={card.card} aria-label="Results">
      <h2>
        Results
        {head ? (
          <small>
            judged by {head.site} with version {head.version} <AsOf at={head.as_of} />
          </small>
        ) : null}
      </h2>
      <div className={card.filters}>
        {controller ? (
          <NativeSelect
            label="Site"
            value={search.site ?? ''}
            onChange={(e) => set({ site: e.currentTarget.value || undefined })}
            data={[{ value: '', label: 'Choose a site' }, ...(sites ?? []).map((s) => s.name)]}
          />
        ) : null}
        <TextInput
          label="Host"
          placeholder="name or id"
          autoComplete="off"
          spellCheck={false}
          value={host ?? search.host ?? ''}
          onChange={(e) => setHost(e.currentTarget.value)}
          onBlur={named}
          onKeyDown={(e) => {
            if (e.key === 'Enter') named()
          }}
        />
        <Checkbox
          className={classes.all}
          label="With what is met"
          checked={search.all === 'yes'}
          onChange={(e) => set({ all: e.currentTarget.checked ? 'yes' : undefined })}
        />
        {enabled ? (
          <Button variant="default" loading={query.isFetching} onClick={() => void query.refetch()}>
            Judge again
          </Button>
        ) : null}
      </div>
      <Refusal error={query.error} title="The results cannot be shown now" />
      {head?.problem ? <p className={card.note}>The site cannot judge by it: {head.problem}</p> : null}
      {!enabled ? <p className={card.note}>Hosts are judged at their sites: choose one, or name a host.</p> : null}
      {head ? (
        <p className={card.note} role="status">
          {rows.length > 0
            ? `${plural(rows.length, 'host')}${query.hasNextPage ? ', and there are more' : ''}`
            : search.all
              ? 'No host is asked for anything by it.'
              : 'No host that it is for fails it, and of none it is unknown.'}
        </p>
      ) : null}
      {rows.length > 0 ? (
        <ul className={classes.list} aria-label="Hosts">
          {rows.map((r) => (
            <HostResult key={r.host_id} result={r} />
          ))}
        </ul>
      ) : null}
      <More query={query} />
    </section>
  )
}

function HostResult({ result: r }: { result: PolicyHostResult }) {
  return (
    <li>
      <div className={classes.host}>
        <Link to="/hosts/$host" params={{ host: r.host_id }}>
          {r.host || r.host_id}
        </Link>
        <span className="muted">
          {[
            r.failed > 0 ? `${count(r.failed)} failed` : '',
            r.unknown > 0 ? `${count(r.unknown)} unknown` : '',
            `${count(r.met)} met`,
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </div>
      <ul className={classes.checks}>
        {(r.checks ?? []).map((c) => (
          <li key={c.check}>
            <Light said={outcomeWords(c.outcome)} />
            <SeverityTag severity={c.severity} />
            <span>
              {c.title || c.check}
              {c.reason ? <small className={card.under}>{c.reason}</small> : null}
            </span>
          </li>
        ))}
      </ul>
    </li>
  )
}
