// The words and the address of the page of alerts.

import type { Alert, SiteAlerts } from '../api/types'
import { count } from './count'
import type { Said } from './status'

export const alertStates = ['unresolved', 'open', 'acknowledged', 'resolved', 'all'] as const
export const alertSeverities = ['critical', 'warning', 'info'] as const

export type AlertSeverity = (typeof alertSeverities)[number]

/** What the page of alerts shows, as its address has it. What is absent is not asked for. */
export interface AlertSearch {
  /** Absent: those that are not resolved. */
  state?: Exclude<(typeof alertStates)[number], 'unresolved'>
  severity?: AlertSeverity
  host?: string
  rule?: string
  /** At a controller: whose. */
  site?: string
}

export function alertSearch(from: Record<string, unknown>): AlertSearch {
  const state = among(from['state'], alertStates)
  return {
    state: state === 'unresolved' ? undefined : state,
    severity: among(from['severity'], alertSeverities),
    host: text(from['host'], 255),
    rule: text(from['rule'], 80),
    site: text(from['site'], 64),
  }
}

function among<T extends string>(v: unknown, of: readonly T[]): T | undefined {
  return of.find((x) => x === v)
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

/** How many alerts are open, and how many of those are critical; none where nobody has said. */
export function openAlerts(n: SiteAlerts | undefined): { open: number; critical: number } {
  return n ? { open: n.critical + n.warning + n.info, critical: n.critical } : { open: 0, critical: 0 }
}

/** The open alerts of a site in words: "2 critical, 1 warning open · 3 acknowledged". */
export function countsWords(n: SiteAlerts | undefined): string {
  if (!n) return 'not known'
  const open = alertSeverities.filter((s) => n[s] > 0).map((s) => `${count(n[s])} ${s}`)
  const parts = [open.length > 0 ? `${open.join(', ')} open` : 'none open']
  if (n.acknowledged > 0) parts.push(`${count(n.acknowledged)} acknowledged`)
  return parts.join(' · ')
}

/** A severity as a word, and the colour of those of vulnerabilities that means as much. */
export function alertSeverity(s: string): { word: string; like: string } {
  const like: Record<string, string> = { critical: 'critical', warning: 'medium', info: 'low' }
  return { word: s.charAt(0).toUpperCase() + s.slice(1), like: like[s] ?? 'none' }
}

/** Where an alert is in its life. */
export function alertState(state: string): Said {
  switch (state) {
    case 'open':
      return { tone: 'bad', word: 'Open' }
    case 'acknowledged':
      return { tone: 'warn', word: 'Acknowledged' }
    case 'resolved':
      return { tone: 'ok', word: 'Resolved' }
    default:
      return { tone: 'none', word: state }
  }
}

/** Why an alert was resolved. */
export function resolution(a: Pick<Alert, 'reason'>): string {
  switch (a.reason) {
    case 'cleared':
      return 'It held no longer'
    case 'operator':
      return 'Resolved by hand'
    case 'rule_removed':
      return 'Its rule was removed'
    case 'rule_disabled':
      return 'Its rule was switched off'
    case 'host_retired':
      return 'Its host was retired'
    default:
      return a.reason ? `Resolved: ${String(a.reason)}` : 'Resolved'
  }
}

/** Who did something, without what only tells names apart: "account:ann", or "controller:ID account:ann" from above. */
export function person(actor: string): string {
  const [, above, name] = /^(controller:\S+ ?)?(?:account:)?(.*)$/.exec(actor) ?? []
  if (above) return name ? `${name} at the controller` : 'the controller'
  return name ?? actor
}
