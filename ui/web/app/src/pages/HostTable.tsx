import { Skeleton } from '@mantine/core'
import { createColumnHelper, tableFeatures, useTable } from '@tanstack/react-table'
import type { Host } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { Light } from '../parts/Light'
import { count } from '../words/count'
import { addressShort, systemShort } from '../words/host'
import { hostStatus } from '../words/status'
import classes from './HostTable.module.css'

interface Row {
  host: Host
  fresh: boolean
  open: () => void
}

const features = tableFeatures({})
const helper = createColumnHelper<typeof features, Row>()
const unknown = (why: string) => (
  <span className="muted" title={why}>
    –<span className="hidden">{why}</span>
  </span>
)

const columns = helper.columns([
  helper.display({
    id: 'host',
    header: 'Host',
    cell: ({ row: { original: r } }) => (
      <>
        <button type="button" className={classes.name} onClick={r.open}>
          {r.host.hostname || r.host.id}
        </button>
        {r.host.simulated ? <small className={classes.simulated}>simulated</small> : null}
      </>
    ),
  }),
  helper.display({
    id: 'site',
    header: 'Site',
    cell: ({ row: { original: r } }) => r.host.site || unknown('its site is not known'),
  }),
  helper.display({
    id: 'status',
    header: 'Status',
    cell: ({ row: { original: r } }) => <Light said={hostStatus(r.host, r.fresh)} />,
  }),
  helper.display({
    id: 'system',
    header: 'System',
    cell: ({ row: { original: r } }) => (
      <span title={r.host.os.name}>{systemShort(r.host.os) ?? unknown('not reported')}</span>
    ),
  }),
  helper.display({
    id: 'address',
    header: 'Address',
    cell: ({ row: { original: r } }) => {
      const a = addressShort(r.host)
      if (!a) return unknown('not reported')
      return (
        <span className="nowrap" title={[...(r.host.ipv4 ?? []), ...(r.host.ipv6 ?? [])].join('\n')}>
          <span className={classes.address}>{a.first}</span>
          {a.more > 0 ? <small className="muted"> +{a.more}</small> : null}
        </span>
      )
    },
  }),
  helper.display({
    id: 'packages',
    header: 'Packages',
    cell: ({ row: { original: r } }) => (r.host.as_of.packages ? count(r.host.package_n) : unknown('no inventory yet')),
  }),
  helper.display({
    id: 'critical',
    header: 'Critical',
    cell: ({ row: { original: r } }) => <Severe host={r.host} severity="critical" />,
  }),
  helper.display({
    id: 'high',
    header: 'High',
    cell: ({ row: { original: r } }) => <Severe host={r.host} severity="high" />,
  }),
  helper.display({
    id: 'seen',
    header: 'Last seen',
    cell: ({ row: { original: r } }) => <AsOf at={r.host.last_seen} />,
  }),
])

/** Columns of numbers, which stand to the right. */
const numbers = new Set(['packages', 'critical', 'high'])

function Severe({ host, severity }: { host: Host; severity: 'critical' | 'high' }) {
  if (!host.as_of.exposure) return unknown('not matched with advisories yet')
  const n = host.exposure[severity]
  return n === 0 ? (
    <span className="muted">0</span>
  ) : (
    <b className={classes.severe} data-severity={severity}>
      {count(n)}
    </b>
  )
}

/** The rows of one page of hosts; undefined while the first is on its way. */
export function HostTable({
  hosts,
  fresh,
  dim,
  onOpen,
}: {
  hosts: Host[] | undefined
  fresh: boolean
  dim: boolean
  onOpen: (id: string) => void
}) {
  const data = (hosts ?? []).map((host) => ({ host, fresh, open: () => onOpen(host.id) }))
  const table = useTable({ features, columns, data, getRowId: (r) => r.host.id })
  if (!hosts) return <Skeleton height={420} radius="lg" />
  // The roles are said again because the narrow layout takes the table's own display away.
  return (
    <div className={classes.frame} data-dim={dim || undefined}>
      <table className={classes.table} role="table" aria-label="Hosts">
        <thead role="rowgroup">
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} role="row">
              {group.headers.map((header) => (
                <th key={header.id} role="columnheader" scope="col" data-number={numbers.has(header.id) || undefined}>
                  <table.FlexRender header={header} />
                </th>
              ))}
            </tr>
          ))}
        </thead>
        <tbody role="rowgroup">
          {table.getRowModel().rows.map((row) => (
            <tr
              key={row.id}
              role="row"
              onClick={(e) => {
                // The name is a button of its own, and text may be marked for copying.
                if ((e.target as HTMLElement).closest('button, a') || window.getSelection()?.toString()) return
                row.original.open()
              }}
            >
              {row.getAllCells().map((cell) => (
                <td
                  key={cell.id}
                  role="cell"
                  data-column={cell.column.id}
                  data-number={numbers.has(cell.column.id) || undefined}
                >
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
