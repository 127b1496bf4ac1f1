import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { exposedQuery } from '../../api/advisories'
import { nodeQuery } from '../../api/queries'
import type { ExposedAt } from '../../api/types'
import { Answer, whole } from '../../parts/Answer'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { None } from '../../parts/None'
import { hostsByStanding, priority, standing } from '../../words/standing'
import { AcceptRisk } from '../detailColumns'
import { type Column, DetailTable } from '../DetailTable'

/** The hosts that a vulnerability concerns. Each site answers for its own, and those that do not are named. */
export function WhichHosts({ id }: { id: string }) {
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const query = useInfiniteQuery(exposedQuery(id))
  const last = query.data?.pages.at(-1)
  const rows = query.data?.pages.flatMap((p) => p.hosts ?? []) ?? []
  const shown = useMemo(() => columns.filter((c) => controller || c.id !== 'site'), [controller])
  return (
    <Answer
      title="Which hosts"
      query={query}
      last={last}
      shown={rows.length}
      one="finding"
      kind="findings"
      controller={controller}
    >
      {rows.length > 0 ? (
        <p>
          {hostsByStanding(rows)} ·{' '}
          <Link to="/advisories/accepted" search={{ accept: id }}>
            Accept the risk on several hosts
          </Link>
        </p>
      ) : null}
      <DetailTable
        label="Hosts"
        rows={rows}
        columns={shown}
        first="standing"
        empty={whole(last) ? 'No host has it.' : 'None of the hosts that are known about has it.'}
      />
    </Answer>
  )
}

const columns: Column<ExposedAt>[] = [
  {
    id: 'host',
    title: 'Host',
    value: (r) => r.hostname,
    show: (r) => (
      <>
        <Link to="/hosts/$host" params={{ host: r.host_id }} search={{ tab: 'findings' }}>
          {r.hostname || r.host_id}
        </Link>
        <small className={card.under}>
          <AsOf at={r.as_of} prefix="reported " absent="when is not known" />
        </small>
      </>
    ),
  },
  { id: 'site', title: 'Site', value: (r) => r.site },
  {
    id: 'standing',
    title: 'Standing',
    value: (r) => priority(r) * 10 + (r.verdict === 'affected' ? 1 : 0),
    show: (r) => {
      const said = standing(r)
      return (
        <>
          <Light said={said} />
          {said.reason ? <small className={card.under}>{said.reason}</small> : null}
        </>
      )
    },
    fallsFirst: true,
  },
  {
    id: 'package',
    title: 'Package',
    value: (r) => `${r.package} ${r.version} ${r.fixed ?? ''}`,
    show: (r) => (
      <>
        {r.package}
        <small className={card.under}>
          {r.version}, {r.fixed ? `fixed in ${r.fixed}` : 'no fix named'}
        </small>
      </>
    ),
  },
  {
    id: 'risk',
    title: 'Risk',
    value: (r) => (r.accepted ? 1 : 0),
    show: (r) =>
      r.accepted || r.verdict === 'suppressed' ? (
        <None />
      ) : (
        <AcceptRisk of={r} host={{ id: r.host_id, hostname: r.hostname }} />
      ),
  },
]
