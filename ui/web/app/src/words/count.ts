// Counts as a person reads them.

const grouped = new Intl.NumberFormat('en-GB')

/** A number with its thousands apart: "16,595". */
export function count(n: number): string {
  return grouped.format(n)
}

/** A number and its noun: "1 host", "340 hosts". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** A length of time as a stopwatch shows it: "850 µs", "1.2 ms", "1.4 s". */
export function took(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`
  if (us < 10_000) return `${(us / 1000).toFixed(1)} ms`
  if (us < 1_000_000) return `${Math.round(us / 1000)} ms`
  return `${(us / 1_000_000).toFixed(1)} s`
}

/** A speed as lines are sold: "256 kbit/s". */
export function bits(perSecond: number): string {
  if (perSecond < 1000) return `${count(perSecond)} bit/s`
  if (perSecond < 1_000_000) return `${count(Math.round(perSecond / 100) / 10)} kbit/s`
  return `${count(Math.round(perSecond / 100_000) / 10)} Mbit/s`
}

/** A size as disks have it: "1.2 MiB". */
export function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let n = bytes
  let u = 0
  while (n >= 1024 && u < units.length - 1) {
    n /= 1024
    u++
  }
  return `${u === 0 || n >= 100 ? count(Math.round(n)) : n.toFixed(1)} ${units[u]}`
}

/** The statuses of hosts in the order they are shown. */
export const hostStatuses = ['up', 'late', 'down', 'unknown'] as const

export type HostStatus = (typeof hostStatuses)[number]

/**
 * Splits hosts by status. What has no status, or one that this page does not know, is unknown: a host
 * must not vanish from the sum, and must not pass for healthy.
 */
export function hostSplit(total: number, by: Record<string, number> | null | undefined): Record<HostStatus, number> {
  const up = Math.max(0, by?.['up'] ?? 0)
  const late = Math.max(0, by?.['late'] ?? 0)
  const down = Math.max(0, by?.['down'] ?? 0)
  return { up, late, down, unknown: Math.max(0, total - up - late - down) }
}

/** Which rows a page of a list shows: "51–100 of 340". before is absent where it is not known. */
export function rowRange(before: number | undefined, rows: number, total: number): string {
  if (total === 0) return 'none'
  if (before === undefined) return `${count(rows)} of ${count(total)}`
  return rows === 0 ? `none of ${count(total)}` : `${count(before + 1)}–${count(before + rows)} of ${count(total)}`
}
