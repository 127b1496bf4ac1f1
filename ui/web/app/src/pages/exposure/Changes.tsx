import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { changesQuery } from '../../api/exposure'
import { nodeQuery, sitesQuery } from '../../api/queries'
import type { ExposureChange } from '../../api/types'
import { useNow } from '../../clock'
import { Answer, whole } from '../../parts/Answer'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Notice } from '../../parts/Notice'
import { SeverityTag } from '../../parts/Severity'
import { useTitle } from '../../parts/title'
import { Vulnerability } from '../../parts/Vulnerability'
import {
  changeCounts,
  changeReason,
  changeTimes,
  changeWords,
  spanOf,
  spans,
  spanWords,
  type ChangeSearch,
} from '../../words/exposure'
import { instant } from '../../words/time'
import { Views } from '../advisories/Views'
import { type Column, DetailTable } from '../DetailTable'
import classes from './Exposure.module.css'

/** Which vulnerabilities opened and closed between two times, and why. */
export function ChangesPage() {
  useTitle('What changed')
  const search = useSearch({ from: '/advisories/changes' })
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const now = useNow()
  const times = changeTimes(search, now)
  return (
    <div className={card.page}>
      <Views />
      <header className={card.head}>
        <div>
          <h1>What changed</h1>
          <p>Which vulnerabilities opened and closed on hosts between two times, and for what reason.</p>
        </div>
      </header>
      <Form key={JSON.stringify(search)} search={search} controller={controller} />
      {times ? (
        <Changed search={search} times={times} controller={controller} />
      ) : search.from ? (
        <Notice tone="none" title="That day has not come yet" />
      ) : null}
    </div>
  )
}

function Form({ search, controller }: { search: ChangeSearch; controller: boolean }) {
  const navigate = useNavigate()
  const sites = useQuery({ ...sitesQuery, enabled: controller }).data
  const [since, setSince] = useState(search.from ? 'days' : (search.since ?? '7d'))
  const [from, setFrom] = useState(search.from ?? '')
  const [to, setTo] = useState(search.to ?? '')
  const [host, setHost] = useState(search.host ?? '')
  const [where, setWhere] = useState(search.where ?? '')
  const [site, setSite] = useState(search.site ?? '')
  const ready = since !== 'days' || (from !== '' && (to === '' || to >= from))
  return (
    <form
      className={card.filters}
      aria-label="Between which times"
      onSubmit={(e) => {
        e.preventDefault()
        if (!ready) return
        void navigate({
          to: '/advisories/changes',
          search: {
            ...(since === 'days' ? { from, to: to || undefined } : { since: spans.find((s) => s === since) }),
            host: host.trim() || undefined,
            where: where.trim() || undefined,
            site: site || undefined,
          },
        })
      }}
    >
      <NativeSelect
        label="When"
        value={since}
        onChange={(e) => setSince(e.currentTarget.value)}
        data={[
          ...spans.map((s) => ({ value: s as string, label: spanWords[s] })),
          { value: 'days', label: 'Between two days' },
        ]}
      />
      {since === 'days' ? (
        <>
          <TextInput label="From" type="date" value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
          <TextInput
            label="Through"
            type="date"
            error={to !== '' && to < from ? 'before the first' : undefined}
            value={to}
            onChange={(e) => setTo(e.currentTarget.value)}
          />
        </>
      ) : null}
      <TextInput
        label="Host"
        placeholder="all, or a name or id"
        maxLength={255}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={host}
        onChange={(e) => setHost(e.currentTarget.value)}
      />
      <TextInput
        label="Of the hosts"
        placeholder="all, or a search: tag:prod"
        maxLength={4096}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={where}
        onChange={(e) => setWhere(e.currentTarget.value)}
      />
      {controller ? (
        <NativeSelect
          label="Site"
          value={site}
          onChange={(e) => setSite(e.currentTarget.value)}
          data={[{ value: '', label: 'All sites' }, ...(sites ?? []).map((s) => s.name)]}
        />
      ) : null}
      <Button type="submit" disabled={!ready}>
        Show
      </Button>
    </form>
  )
}

function Changed({
  search,
  times,
  controller,
}: {
  search: ChangeSearch
  times: { from: string; to?: string }
  controller: boolean
}) {
  const query = useInfiniteQuery(changesQuery(search, times))
  const first = query.data?.pages[0]
  const last = query.data?.pages.at(-1)
  const rows = query.data?.pages.flatMap((p) => p.changes ?? []) ?? []
  const shown = useMemo(() => columns.filter((c) => controller || c.id !== 'site'), [controller])
  return (
    <Answer
      title="Changes"
      query={query}
      last={last}
      shown={rows.length}
      one="change"
      kind="changes"
      controller={controller}
    >
      {first ? (
        <p>
          {spanOf(first.from, first.to)}
          {rows.length > 0 ? `: ${changeCounts(rows, last?.total)}` : ''}
        </p>
      ) : null}
      <DetailTable
        label="Changes"
        rows={rows}
        columns={shown}
        first="at"
        empty={
          whole(last) ? 'Nothing opened or closed.' : 'Of the hosts that are known about, nothing opened or closed.'
        }
      />
    </Answer>
  )
}

const columns: Column<ExposureChange>[] = [
  {
    id: 'change',
    title: 'What',
    value: (c) => c.change,
    show: (c) => <Light said={changeWords(c)} />,
    fallsFirst: true,
  },
  {
    id: 'vulnerability',
    title: 'Vulnerability',
    value: (c) => `${c.finding.vulnerability} ${c.finding.package}`,
    show: (c) => (
      <>
        <span className={classes.named}>
          <Vulnerability id={c.finding.vulnerability} />
          <SeverityTag severity={c.finding.severity} />
        </span>
        <small className={card.under}>
          {c.finding.package} {c.finding.version}
          {c.finding.fixed ? `, fixed in ${c.finding.fixed}` : ''}
        </small>
      </>
    ),
  },
  {
    id: 'host',
    title: 'Host',
    value: (c) => c.hostname,
    show: (c) => (
      <Link to="/hosts/$host" params={{ host: c.host_id }} search={{ tab: 'findings' }}>
        {c.hostname || c.host_id}
      </Link>
    ),
  },
  { id: 'site', title: 'Site', value: (c) => c.site },
  { id: 'why', title: 'Why', value: changeReason },
  { id: 'at', title: 'When', value: (c) => instant(c.at) ?? 0, show: (c) => <AsOf at={c.at} />, fallsFirst: true },
]
