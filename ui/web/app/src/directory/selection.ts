// Which hosts are marked. They are kept by id, so that paging, ordering and filtering do not touch them; or
// they are "all that match", which is the search itself and not a list.

import type { Host } from '../api/types'

export type Selection =
  | { kind: 'some'; hosts: ReadonlyMap<string, string> }
  | { kind: 'all'; q: string; total: number; except: ReadonlySet<string> }

export const noSelection: Selection = { kind: 'some', hosts: new Map() }

/** How many ids one search can name: the server takes 4,096 bytes and 256 conditions. */
export const idsPerQuery = 100

/** Whether a host is marked, as far as can be told on a page that shows another search. */
export type Marked = 'yes' | 'no' | 'unknown'

export function marked(s: Selection, q: string, id: string): Marked {
  if (s.kind === 'some') return s.hosts.has(id) ? 'yes' : 'no'
  if (s.except.has(id)) return 'no'
  return s.q === q ? 'yes' : 'unknown'
}

/** How many hosts are marked. */
export function markedN(s: Selection): number {
  return s.kind === 'some' ? s.hosts.size : Math.max(0, s.total - s.except.size)
}

/** Marks a host, or takes the mark off. */
export function flip(s: Selection, q: string, host: Pick<Host, 'id' | 'hostname'>): Selection {
  return mark(s, q, [host], marked(s, q, host.id) !== 'yes')
}

/**
 * Marks hosts, or takes their marks off. Where all that match another search are marked nothing happens:
 * nobody could tell what that would mean. Nor where more would be left out of all than one search can name.
 */
export function mark(s: Selection, q: string, hosts: Pick<Host, 'id' | 'hostname'>[], on: boolean): Selection {
  if (s.kind === 'some') {
    const next = new Map(s.hosts)
    for (const h of hosts) {
      if (on) next.set(h.id, h.hostname || h.id)
      else next.delete(h.id)
    }
    return { kind: 'some', hosts: next }
  }
  if (s.q !== q) return s
  const except = new Set(s.except)
  for (const h of hosts) {
    if (on) except.delete(h.id)
    else except.add(h.id)
  }
  return except.size > idsPerQuery ? s : { ...s, except }
}

/** How many rows can be marked at one stroke. */
export const mostAtOnce = 5000

/** Marks all that match. */
export function all(q: string, total: number): Selection {
  return { kind: 'all', q, total, except: new Set() }
}

/** The searches that find just the marked hosts, and no host twice. */
export function queriesOf(s: Selection): string[] {
  if (s.kind === 'all') {
    if (s.except.size === 0) return [s.q]
    return [`${s.q ? `(${s.q}) ` : ''}-id:${[...s.except].join(',')}`]
  }
  const ids = [...s.hosts.keys()]
  const found = []
  for (let i = 0; i < ids.length; i += idsPerQuery) found.push(`id:${ids.slice(i, i + idsPerQuery).join(',')}`)
  return found
}
