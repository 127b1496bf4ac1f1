// What the rows are ordered by, as far as the page must know it: whether a change moves a row. The
// order itself is the server's.

import type { Host } from '../api/types'

/** A field to order by, and the direction. */
export interface Order {
  field: string
  down: boolean
}

/** Reads "-seen"; the empty text is by name. */
export function readOrder(text: string | undefined): Order {
  const down = text?.startsWith('-') ?? false
  return { field: (down ? text?.slice(1) : text) || 'name', down }
}

/** Writes an order; undefined is by name, as an address leaves it out. */
export function writeOrder(order: Order): string | undefined {
  const text = (order.down ? '-' : '') + order.field
  return text === 'name' ? undefined : text
}

/** The order after a click on the head of a column: the other way round, or that column's first way. */
export function clicked(order: Order, field: string, first: 'up' | 'down'): Order {
  return order.field === field ? { field, down: !order.down } : { field, down: first === 'down' }
}

type Value = string | number | undefined

const time = (text: string | undefined): Value => (text ? Date.parse(text) : undefined)
const yes = (b: boolean | undefined): Value => (b === undefined ? undefined : Number(b))

/**
 * The value of a host in an order. That it was heard of again moves nothing: every host would move
 * every minute.
 */
export const values: Record<string, (h: Host) => Value> = {
  name: (h) => h.hostname.toLowerCase(),
  fqdn: (h) => h.fqdn?.toLowerCase(),
  ip: (h) => h.ipv4?.[0],
  mac: (h) => h.mac?.[0],
  os: (h) => `${h.os.id ?? ''} ${h.os.version ?? ''}`,
  kernel: (h) => h.kernel,
  arch: (h) => h.arch,
  status: (h) => h.status,
  site: (h) => h.site,
  region: (h) => h.region,
  country: (h) => h.country,
  city: (h) => h.city,
  tag: (h) => h.tags?.[0],
  agent: (h) => h.agent_version,
  owner: (h) => h.owner,
  compliance: (h) => h.compliance,
  severity: (h) => h.worst,
  updates: (h) => h.updates,
  reboot: (h) => yes(h.reboot_needed),
  cert: (h) => time(h.next_cert_expiry),
  packages: (h) => h.package_n,
  uptime: (h) => time(h.booted_at),
  cpus: (h) => h.cpus,
  memory: (h) => h.memory_mb,
  serial: (h) => h.serial,
  first_seen: (h) => time(h.first_seen),
  'cve:critical': (h) => h.exposure.critical,
  'cve:high': (h) => h.exposure.high,
}

/** Whether a host that changed stands at another place now. */
export function moves(order: Order, before: Host, after: Host): boolean {
  const value = values[order.field]
  return value !== undefined && value(before) !== value(after)
}

/** What of a host is worth a mark when it changes: all but the times at which it was looked at. */
export function notable(h: Host): string {
  return JSON.stringify({ ...h, last_seen: undefined, as_of: undefined, booted_at: undefined })
}
