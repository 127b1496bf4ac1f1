import { Button } from '@mantine/core'
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { expiringQuery, packagesWhereQuery } from '../../api/questions'
import type { ExpiringCertificate, Gathered, PackageAt } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { More } from '../../parts/More'
import { Notice } from '../../parts/Notice'
import { Prose } from '../../parts/Prose'
import { Refusal } from '../../parts/Refusal'
import { count, plural } from '../../words/count'
import { remarks, type QuestionSearch } from '../../words/questions'
import { sentence } from '../../words/status'
import { instant } from '../../words/time'
import { Expiry } from '../detailColumns'
import { type Column, DetailTable } from '../DetailTable'
import classes from './Questions.module.css'

interface Asked {
  search: QuestionSearch
  controller: boolean
}

export function Packages({ search, controller }: Asked) {
  const query = useInfiniteQuery(packagesWhereQuery(search))
  const last = query.data?.pages.at(-1)
  const rows = query.data?.pages.flatMap((p) => p.packages ?? []) ?? []
  const columns = useMemo(() => ofRole(packageColumns, controller), [controller])
  return (
    <Answer query={query} last={last} shown={rows.length} one="package" controller={controller}>
      <DetailTable
        label="Packages"
        rows={rows}
        columns={columns}
        first="host"
        empty={whole(last) ? 'No host has it.' : 'None of the hosts that are known about has it.'}
      />
    </Answer>
  )
}

export function Certificates({ search, controller }: Asked) {
  const query = useInfiniteQuery(expiringQuery(search))
  const last = query.data?.pages.at(-1)
  const rows = query.data?.pages.flatMap((p) => p.certificates ?? []) ?? []
  const columns = useMemo(() => ofRole(certificateColumns, controller), [controller])
  return (
    <Answer query={query} last={last} shown={rows.length} one="certificate" controller={controller}>
      <DetailTable
        label="Certificates"
        rows={rows}
        columns={columns}
        first="end"
        empty={whole(last) ? 'None ends in that time.' : 'None that is known about ends in that time.'}
      />
    </Answer>
  )
}

/** Whether an answer is of every host that was asked about. */
function whole(a: Gathered | undefined): boolean {
  return a !== undefined && a.partial_n === 0 && remarks(a).length === 0
}

/** An answer with what is missing from it. */
function Answer({
  query,
  last,
  shown,
  one,
  controller,
  children,
}: {
  query: {
    error: unknown
    isFetching: boolean
    isFetchingNextPage: boolean
    hasNextPage: boolean
    fetchNextPage: () => unknown
    refetch: () => unknown
  }
  last: Gathered | undefined
  shown: number
  one: string
  controller: boolean
  children: React.ReactNode
}) {
  const silent = last?.partial ?? []
  const all = last ? last.answered_n + last.partial_n : 0
  return (
    <section className={card.card} aria-label="Answer" aria-busy={query.isFetching}>
      <h2>
        Answer
        {last ? (
          <Button size="compact-xs" variant="default" loading={query.isFetching} onClick={() => void query.refetch()}>
            Ask again
          </Button>
        ) : null}
      </h2>
      <Refusal error={query.error} title="The question cannot be answered" />
      {!last && !query.error ? (
        <p className="muted">{controller ? 'Asking the sites…' : 'Asking the server…'}</p>
      ) : null}
      {last && last.partial_n > 0 ? (
        <Notice
          tone="warn"
          title={`This is not all: ${count(last.partial_n)} of ${plural(all, 'site')} did not answer`}
          alert
        >
          <ul className={classes.silent}>
            {silent.slice(0, 10).map((s) => (
              <li key={s.site_id}>
                <Prose text={sentence(s.reason)} />.
              </li>
            ))}
            {last.partial_n > 10 ? <li>And {count(last.partial_n - Math.min(10, silent.length))} more.</li> : null}
          </ul>
        </Notice>
      ) : null}
      {last ? (
        <>
          <p className={card.note} role="status">
            {last.answered_n > 0 ? plural(last.total, one) : 'Nobody answered'}
            {shown < last.total ? `, of which ${count(shown)} are here` : ''}
            {controller && last.answered_n > 0 ? ` · ${plural(last.answered_n, 'site')} answered` : ''}
          </p>
          {remarks(last).map((r) => (
            <p key={r} className={card.note}>
              {sentence(r)}
            </p>
          ))}
          {last.answered_n > 0 ? children : null}
          <More query={query} />
        </>
      ) : null}
    </section>
  )
}

/** Which site a row is of is said where there are several. */
function ofRole<T>(columns: Column<T>[], controller: boolean): Column<T>[] {
  return columns.filter((c) => controller || c.id !== 'site')
}

function host<T extends { hostname: string; host_id: string; as_of?: string }>(): Column<T> {
  return {
    id: 'host',
    title: 'Host',
    value: (r) => r.hostname,
    show: (r) => (
      <>
        <Link to="/hosts/$host" params={{ host: r.host_id }}>
          {r.hostname || r.host_id}
        </Link>
        <small className={card.under}>
          <AsOf at={r.as_of} prefix="reported " absent="when is not known" />
        </small>
      </>
    ),
  }
}

const packageColumns: Column<PackageAt>[] = [
  host(),
  { id: 'site', title: 'Site', value: (p) => p.site },
  {
    id: 'package',
    title: 'Package',
    value: (p) => (p.arch ? `${p.name} (${p.arch})` : p.name),
  },
  { id: 'version', title: 'Version', value: (p) => p.version },
  { id: 'by', title: 'By', value: (p) => p.manager },
]

const certificateColumns: Column<ExpiringCertificate>[] = [
  {
    id: 'end',
    title: 'Ends',
    value: (c) => instant(c.not_after) ?? 0,
    show: (c) => <Expiry at={c.not_after} />,
  },
  {
    id: 'subject',
    title: 'Subject',
    value: (c) => c.subject || c.names?.[0] || c.fingerprint,
    show: (c) => (
      <>
        {c.subject || c.names?.[0] || c.fingerprint}
        <small className={card.under}>{c.path}</small>
      </>
    ),
  },
  host(),
  { id: 'site', title: 'Site', value: (c) => c.site },
]
