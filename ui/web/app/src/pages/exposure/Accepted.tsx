import { Button } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { acceptancesQuery, revoke } from '../../api/exposure'
import { hostQuery, nodeQuery } from '../../api/queries'
import type { Acceptance } from '../../api/types'
import { useNow } from '../../clock'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Notice } from '../../parts/Notice'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { Vulnerability } from '../../parts/Vulnerability'
import { person } from '../../words/alerts'
import { acceptanceState, coveredWords } from '../../words/exposure'
import { absolute, dayOf, instant } from '../../words/time'
import { Views } from '../advisories/Views'
import { type Column, DetailTable } from '../DetailTable'
import { AcceptForm } from './AcceptForm'
import classes from './Exposure.module.css'

/** Risks that somebody took: of what, where, why and until when. */
export function AcceptedPage() {
  useTitle('Accepted risks')
  const search = useSearch({ from: '/advisories/accepted' })
  const navigate = useNavigate()
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const query = useQuery(acceptancesQuery)
  const [opened, setOpened] = useState(false)
  const [made, setMade] = useState<Acceptance>()
  const form = opened || search.accept !== undefined
  const close = () => {
    setOpened(false)
    if (search.accept) void navigate({ to: '/advisories/accepted', search: {}, replace: true })
  }
  return (
    <div className={card.page}>
      <Views />
      <header className={card.head}>
        <div>
          <h1>Accepted risks</h1>
          <p>
            What is accepted stays listed and is not counted, until its day.
            {controller ? ' What is accepted here goes to every site.' : ''}
          </p>
        </div>
        {form ? null : (
          <Button
            className={card.end}
            onClick={() => {
              setMade(undefined)
              setOpened(true)
            }}
          >
            Accept a risk
          </Button>
        )}
      </header>
      {form ? (
        <AcceptForm
          key={`${search.accept} ${search.package} ${search.host}`}
          begin={search}
          onDone={(a) => {
            setMade(a)
            close()
          }}
        />
      ) : null}
      <div role="status" className={classes.said}>
        {made ? (
          <Notice
            tone="ok"
            title={`The risk of ${made.vulnerability} is accepted until ${dayOf(instant(made.until)!)}`}
          >
            {coveredWords(made.covers)}.
          </Notice>
        ) : null}
      </div>
      <Refusal error={query.error} title="The accepted risks cannot be read" />
      {query.data ? <List all={query.data} controller={controller} /> : null}
    </div>
  )
}

function List({ all, controller }: { all: Acceptance[]; controller: boolean }) {
  const [doomed, setDoomed] = useState<string>()
  const drop = useMutation({ mutationFn: revoke, onSuccess: () => setDoomed(undefined) })
  const columns: Column<Acceptance>[] = [
    ...shared,
    {
      id: 'act',
      title: 'Take back',
      value: (a) => a.id,
      show: (a) =>
        doomed === a.id ? (
          <span className="nowrap">
            <Button size="compact-xs" color="red" loading={drop.isPending} onClick={() => drop.mutate(a.id)}>
              Revoke
            </Button>{' '}
            <Button size="compact-xs" variant="default" onClick={() => setDoomed(undefined)}>
              Keep
            </Button>
          </span>
        ) : (
          <Button
            size="compact-xs"
            variant="default"
            aria-label={`Revoke the acceptance of ${a.vulnerability}`}
            onClick={() => {
              drop.reset()
              setDoomed(a.id)
            }}
          >
            Revoke
          </Button>
        ),
    },
  ]
  return (
    <>
      <Refusal error={drop.error} title="The acceptance was not revoked" />
      <section className={card.card} aria-label="Accepted risks">
        <DetailTable
          label="Accepted risks"
          rows={all}
          columns={columns}
          first="until"
          empty={`No risk is accepted here, so every finding counts.${controller ? '' : ' Those of the controller would be listed as well.'}`}
        />
      </section>
    </>
  )
}

/** For which hosts. One that is meant by its id is named, where it is known here. */
function Hosts({ of: search }: { of?: string }) {
  const id = /^id:([0-9a-f-]{36})$/.exec(search ?? '')?.[1]
  const host = useQuery({
    ...hostQuery(id ?? ''),
    enabled: id !== undefined,
    refetchInterval: false,
    staleTime: 60_000,
  }).data
  if (!search) return 'every host'
  if (!id || !host) return <code>{search}</code>
  return (
    <Link to="/hosts/$host" params={{ host: id }} search={{ tab: 'findings' }}>
      {host.hostname || id}
    </Link>
  )
}

function State({ of: a }: { of: Acceptance }) {
  const now = useNow()
  const said = acceptanceState(a, now)
  const until = instant(a.until)
  return (
    <>
      <Light said={said} />
      {said.reason ? <small className={card.under}>{said.reason}</small> : null}
      <small className={card.under} title={until === undefined ? undefined : absolute(until)}>
        until {until === undefined ? 'an unknown day' : dayOf(until)}
      </small>
    </>
  )
}

const shared: Column<Acceptance>[] = [
  {
    id: 'vulnerability',
    title: 'Vulnerability',
    value: (a) => `${a.vulnerability} ${a.package ?? ''}`,
    show: (a) => (
      <>
        <Vulnerability id={a.vulnerability} />
        <small className={card.under}>{a.package ? `in ${a.package}` : 'in every package'}</small>
      </>
    ),
  },
  {
    id: 'hosts',
    title: 'On which hosts',
    value: (a) => a.hosts ?? '',
    show: (a) => <Hosts of={a.hosts} />,
  },
  {
    id: 'why',
    title: 'Why',
    value: (a) => `${a.reason} ${a.by}`,
    show: (a) => (
      <>
        {a.reason}
        <small className={card.under}>
          {person(a.by)}, <AsOf at={a.at} />
          {a.key ? ` · signed with ${a.key.length > 40 ? `${a.key.slice(0, 15)}…` : a.key}` : ''}
        </small>
      </>
    ),
  },
  {
    id: 'until',
    title: 'State',
    value: (a) => (a.state === 'active' ? 0 : 1e15) + (instant(a.until) ?? 0),
    show: (a) => <State of={a} />,
  },
]
