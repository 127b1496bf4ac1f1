// What the addresses of a host's page and of a policy's page hold, and the words of what stands there.

import type { Said } from './status'
import { instant, span } from './time'

export const hostTabs = ['overview', 'findings', 'packages', 'certificates', 'facts', 'history'] as const
export const historyKinds = ['packages', 'certificates', 'facts'] as const

export type HistoryKind = (typeof historyKinds)[number]

/** What the page of a host shows. What is absent is the usual. */
export interface HostTab {
  /** Absent: the overview. */
  tab?: (typeof hostTabs)[number]
  /** Of the history. Absent: packages. */
  kind?: HistoryKind
  /** The two versions that are compared. */
  from?: string
  to?: string
}

export function hostTab(from: Record<string, unknown>): HostTab {
  return {
    tab: hostTabs.find((t) => t === from['tab']),
    kind: historyKinds.find((k) => k === from['kind']),
    from: digits(from['from']),
    to: digits(from['to']),
  }
}

function digits(v: unknown): string | undefined {
  return typeof v === 'string' && /^\d{1,15}$/.test(v) ? v : undefined
}

/** What of the results of a policy is shown. */
export interface ResultSearch {
  site?: string
  host?: string
  all?: 'yes'
}

export function resultSearch(from: Record<string, unknown>): ResultSearch {
  return {
    site: text(from['site'], 64),
    host: text(from['host'], 255),
    all: from['all'] === 'yes' ? 'yes' : undefined,
  }
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

const soon = 30 * 24 * 3600 * 1000

/** Whether a certificate is still good: expired, within a month of it, or good for longer. */
export function expiry(notAfter: string, now: number): Said {
  const at = instant(notAfter)
  if (at === undefined) return { tone: 'none', word: 'Unknown' }
  if (at <= now) return { tone: 'bad', word: `Expired ${span(now - at)} ago` }
  return at - now < soon ? { tone: 'warn', word: `In ${span(at - now)}` } : { tone: 'ok', word: `In ${span(at - now)}` }
}

/** Which version of a policy a site has. */
export function heldWords(state: string): Said {
  switch (state) {
    case 'current':
      return { tone: 'ok', word: 'Current' }
    case 'stale':
      return { tone: 'warn', word: 'Stale', reason: 'It has another version' }
    case 'missing':
      return { tone: 'warn', word: 'Missing', reason: 'It said what it has, and this is not part of it' }
    case 'extra':
      return { tone: 'warn', word: 'Extra', reason: 'It has it, though it is not assigned to it any more' }
    default:
      return { tone: 'none', word: 'Unknown', reason: 'It has never said what it has' }
  }
}

/** How a check came out. Unknown is never met. */
export function outcomeWords(outcome: string): Said {
  switch (outcome) {
    case 'met':
      return { tone: 'ok', word: 'Met' }
    case 'failed':
      return { tone: 'bad', word: 'Failed' }
    default:
      return { tone: 'none', word: 'Unknown' }
  }
}

/** A kind of policy for people: "compliance_baseline" is "Compliance baseline". */
export function kindWords(kind: string): string {
  const s = kind.replaceAll('_', ' ')
  return s.charAt(0).toUpperCase() + s.slice(1)
}
