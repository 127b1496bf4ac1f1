import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { expiringQuery, packagesWhereQuery } from '../../api/questions'
import type { ExpiringCertificate, PackageAt } from '../../api/types'
import { Answer, whole } from '../../parts/Answer'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import type { QuestionSearch } from '../../words/questions'
import { instant } from '../../words/time'
import { Expiry } from '../detailColumns'
import { type Column, DetailTable } from '../DetailTable'

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
    <Answer query={query} last={last} shown={rows.length} one="package" kind="packages" controller={controller}>
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
    <Answer query={query} last={last} shown={rows.length} one="certificate" kind="certificates" controller={controller}>
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
