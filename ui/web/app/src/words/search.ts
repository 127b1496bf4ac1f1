// The part of the address behind the question mark, on the page of hosts. It holds everything that
// decides what is shown, so that an address can be shared.

import { hostStatuses, type HostStatus } from './count'

export interface HostSearch {
  q?: string
  site?: string
  status?: HostStatus
  /** The cursor of this page; absent on the first. */
  after?: string
  /** The host whose drawer is open. */
  host?: string
}

/**
 * Reads what an address holds; what is unknown or empty is undefined. Every key is there, because the
 * router keeps what it is not given.
 */
export function hostSearch(from: Record<string, unknown>): HostSearch {
  return {
    q: text(from['q'], 256),
    site: text(from['site'], 64),
    status: hostStatuses.find((s) => s === from['status']),
    after: text(from['after'], 64),
    host: text(from['host'], 255),
  }
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

/** Reads a query string plainly: every value is text. */
export function parseQuery(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query))
}

/** Writes a query string plainly, with its question mark, or nothing. */
export function writeQuery(search: Record<string, unknown>): string {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(search)) {
    if (v !== undefined && v !== null && v !== '') p.set(k, String(v))
  }
  const s = p.toString()
  return s ? `?${s}` : ''
}
