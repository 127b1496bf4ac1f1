// The columns that the table of hosts can have. Their ids are those of the server's columns; addresses,
// saved searches and exports hold them.

import type { ReactNode } from 'react'
import type { Host } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import { Light } from '../../parts/Light'
import { count } from '../../words/count'
import { addressShort, systemShort } from '../../words/host'
import { listOf } from '../../words/search'
import { hostStatus, severityWord } from '../../words/status'
import classes from './HostGrid.module.css'

export interface Column {
  id: string
  title: string
  /** Which way the first click on its head orders; absent where it has no order. */
  first?: 'up' | 'down'
  /** What it is ordered by, where that is not its id. */
  sort?: string
  /** The least width, and the share in what is left over. */
  rem: number
  share: number
  /** Numbers stand to the right. */
  number?: boolean
  cell(host: Host, fresh: boolean): ReactNode
}

const unknown = (why: string) => (
  <span className="muted" title={why}>
    –<span className="hidden">{why}</span>
  </span>
)

const word = (v: string | undefined, why = 'not reported') =>
  v ? (
    <span className={classes.clip} title={v}>
      {v}
    </span>
  ) : (
    unknown(why)
  )

const figure = (v: number | undefined, why = 'not reported') => (v === undefined ? unknown(why) : count(v))

const severe = (severity: 'critical' | 'high' | 'medium' | 'low') => (host: Host) => {
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

/** Where there is little room the version stays: it is what tells two of them apart. */
function system(host: Host) {
  const text = systemShort(host.os)
  const version = host.os.version ?? ''
  if (!text || !version || text === version || !text.endsWith(version)) return word(text)
  return (
    <span className={classes.split} title={text}>
      <span>{text.slice(0, -version.length).trimEnd()}</span> <span>{version}</span>
    </span>
  )
}

function addresses(host: Host) {
  const a = addressShort(host)
  if (!a) return unknown('not reported')
  return (
    <span className={classes.clip} title={[...(host.ipv4 ?? []), ...(host.ipv6 ?? [])].join('\n')}>
      {a.first}
      {a.more > 0 ? <small className="muted"> +{a.more}</small> : null}
    </span>
  )
}

function worst(host: Host) {
  if (host.worst === 'unmatched') return unknown('not matched with advisories yet')
  if (host.worst === 'clean') return <span className="muted">None found</span>
  return (
    <span className={classes.severe} data-severity={host.worst}>
      {severityWord(host.worst)}
    </span>
  )
}

export const columns: Column[] = [
  {
    id: 'name',
    title: 'Host',
    first: 'up',
    rem: 13,
    share: 1.2,
    cell: (h) => (
      <span className={classes.host}>
        <span className={classes.name} title={h.fqdn}>
          {h.hostname || h.id}
        </span>
        {h.simulated ? (
          <small className={classes.simulated} title="simulated">
            sim<span className="hidden">ulated</span>
          </small>
        ) : null}
      </span>
    ),
  },
  {
    id: 'status',
    title: 'Status',
    first: 'up',
    rem: 6.5,
    share: 0,
    cell: (h, fresh) => <Light said={hostStatus(h, fresh)} />,
  },
  { id: 'site', title: 'Site', first: 'up', rem: 6.5, share: 1, cell: (h) => word(h.site, 'its site is not known') },
  { id: 'os', title: 'System', first: 'up', rem: 10, share: 1.6, cell: system },
  { id: 'ip', title: 'Address', first: 'up', rem: 9, share: 0.7, cell: addresses },
  {
    id: 'critical',
    sort: 'cve:critical',
    title: 'Critical',
    first: 'down',
    rem: 5,
    share: 0,
    number: true,
    cell: severe('critical'),
  },
  {
    id: 'high',
    sort: 'cve:high',
    title: 'High',
    first: 'down',
    rem: 4,
    share: 0,
    number: true,
    cell: severe('high'),
  },
  {
    id: 'medium',
    sort: 'cve:medium',
    title: 'Medium',
    first: 'down',
    rem: 5.5,
    share: 0,
    number: true,
    cell: severe('medium'),
  },
  { id: 'low', sort: 'cve:low', title: 'Low', first: 'down', rem: 4.5, share: 0, number: true, cell: severe('low') },
  { id: 'severity', title: 'Worst', first: 'down', rem: 6.5, share: 0, cell: worst },
  {
    id: 'updates',
    title: 'Updates',
    first: 'down',
    rem: 5.25,
    share: 0,
    number: true,
    cell: (h) => figure(h.updates, 'nobody has looked yet'),
  },
  { id: 'seen', title: 'Last seen', first: 'down', rem: 6, share: 0, cell: (h) => <AsOf at={h.last_seen} /> },
  { id: 'fqdn', title: 'Full name', first: 'up', rem: 13, share: 1.5, cell: (h) => word(h.fqdn) },
  { id: 'kernel', title: 'Kernel', first: 'up', rem: 10, share: 0.7, cell: (h) => word(h.kernel) },
  { id: 'arch', title: 'Architecture', first: 'up', rem: 7, share: 0, cell: (h) => word(h.arch) },
  {
    id: 'region',
    title: 'Region',
    first: 'up',
    rem: 6,
    share: 0.4,
    cell: (h) => word(h.region, 'its site names none'),
  },
  {
    id: 'country',
    title: 'Country',
    first: 'up',
    rem: 6,
    share: 0,
    cell: (h) => word(h.country, 'its site names none'),
  },
  { id: 'city', title: 'City', first: 'up', rem: 7, share: 0.6, cell: (h) => word(h.city, 'its site names none') },
  { id: 'tag', title: 'Tags', rem: 10, share: 1.2, cell: (h) => word(h.tags?.join(', '), 'none') },
  { id: 'owner', title: 'Owner', first: 'up', rem: 7, share: 0.6, cell: (h) => word(h.owner) },
  { id: 'agent', title: 'Agent', first: 'up', rem: 6, share: 0, cell: (h) => word(h.agent_version) },
  {
    id: 'compliance',
    title: 'Compliance',
    first: 'up',
    rem: 7,
    share: 0,
    number: true,
    cell: (h) => (h.compliance === undefined ? unknown('no policy applies') : `${h.compliance.toFixed(1)} %`),
  },
  {
    id: 'reboot',
    title: 'Reboot',
    first: 'down',
    rem: 5.5,
    share: 0,
    cell: (h) =>
      h.reboot_needed === undefined ? (
        unknown('this system does not tell')
      ) : h.reboot_needed ? (
        'needed'
      ) : (
        <span className="muted">no</span>
      ),
  },
  {
    id: 'cert',
    title: 'Certificate expires',
    first: 'up',
    rem: 9,
    share: 0,
    cell: (h) => <AsOf at={h.next_cert_expiry} absent="none known" />,
  },
  {
    id: 'packages',
    title: 'Packages',
    first: 'down',
    rem: 6.5,
    share: 0,
    number: true,
    cell: (h) => figure(h.as_of.packages ? h.package_n : undefined, 'no inventory yet'),
  },
  {
    id: 'uptime',
    title: 'Booted',
    first: 'up',
    rem: 6.5,
    share: 0,
    cell: (h) => <AsOf at={h.booted_at} absent="not reported" />,
  },
  { id: 'cpus', title: 'CPUs', first: 'down', rem: 4.5, share: 0, number: true, cell: (h) => figure(h.cpus) },
  {
    id: 'memory',
    title: 'Memory',
    first: 'down',
    rem: 6,
    share: 0,
    number: true,
    cell: (h) => (h.memory_mb ? gibibytes(h.memory_mb) : unknown('not reported')),
  },
  { id: 'serial', title: 'Serial number', first: 'up', rem: 9, share: 0.6, cell: (h) => word(h.serial) },
  { id: 'mac', title: 'MAC', rem: 10, share: 0, cell: (h) => word(h.mac?.join(', ')) },
  {
    id: 'first_seen',
    title: 'First seen',
    first: 'down',
    rem: 6.5,
    share: 0,
    cell: (h) => <AsOf at={h.first_seen} absent="not known" />,
  },
  { id: 'id', title: 'Id', first: 'up', rem: 20, share: 0, cell: (h) => word(h.id) },
]

function gibibytes(mb: number): string {
  return mb < 1024 ? `${count(mb)} MiB` : `${count(Math.round((mb / 1024) * 10) / 10)} GiB`
}

/** What a column is ordered by. */
export function orderOf(c: Column): string {
  return c.sort ?? c.id
}

const byId = new Map(columns.map((c) => [c.id, c]))

/** The columns of an address that says nothing of them, and which of them go first where there is no room. */
const usual = ['name', 'status', 'site', 'os', 'ip', 'critical', 'high', 'updates', 'seen']
const spared = ['ip', 'updates', 'os', 'high']

/** The width of the boxes that hosts are selected with, in rem. */
export const boxRem = 2.5

/** The least width of columns with the boxes before them, in rem. */
export function widthOf(columns: Column[]): number {
  return columns.reduce((sum, c) => sum + c.rem, boxRem)
}

/** The usual columns, as many as a width in rem has room for. */
export function usualFor(room: number): Column[] {
  let fit = usual.map((id) => byId.get(id)!)
  for (const id of spared) {
    if (widthOf(fit) <= room) break
    fit = fit.filter((c) => c.id !== id)
  }
  return fit
}

/** The columns that a list names; the host's own always comes first. Without a list, the usual ones. */
export function columnsOf(cols: string | undefined, room: number): Column[] {
  const ids = listOf(cols).filter((id) => byId.has(id))
  if (ids.length === 0) return usualFor(room)
  return ['name', ...ids.filter((id) => id !== 'name')].map((id) => byId.get(id)!)
}

/** The list that an address holds of columns. */
export function colsOf(ids: string[]): string | undefined {
  return ids.join(',') || undefined
}
