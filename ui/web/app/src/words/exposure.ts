// The words and the addresses of the pages of accepted risks and of what opened and closed.

import type { Acceptance, AcceptanceMake, Covered, ExposureChange } from '../api/types'
import { term } from '../directory/terms'
import { count, plural } from './count'
import { sentence, type Said } from './status'
import { dayOf, instant, span } from './time'

/** What a new acceptance is to begin with, as the address has it. Absent: nothing is accepted anew. */
export interface AcceptSearch {
  /** The vulnerability. */
  accept?: string
  package?: string
  /** The id of a host, and what it is called. */
  host?: string
  name?: string
}

export function acceptSearch(from: Record<string, unknown>): AcceptSearch {
  const accept = text(from['accept'], 128)
  const host = text(from['host'], 64)
  return {
    accept,
    package: accept && text(from['package'], 256),
    host: accept && host,
    name: accept && host && text(from['name'], 255),
  }
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

/** For which hosts a risk is accepted. */
export const scopes = ['all', 'host', 'tag', 'site', 'search'] as const
export type Scope = (typeof scopes)[number]

/** The search that finds those hosts; nothing for all of them. */
export function scopeQuery(scope: Scope, value: string): string | undefined {
  const v = value.trim()
  switch (scope) {
    case 'all':
      return undefined
    case 'host':
      return term('name', v)
    case 'tag':
      return term('tag', v)
    case 'site':
      return term('site', v)
    default:
      return v
  }
}

/** For how long. The last means a day that is chosen. */
export const terms = ['30d', '90d', '180d', '365d', 'day'] as const
export type Term = (typeof terms)[number]

/** The end of a day of the reader's, as the server takes a time; nothing where it is none. */
export function endOfDay(day: string): string | undefined {
  const at = startOf(day, 1)
  return at === undefined ? undefined : new Date(at).toISOString()
}

/** The first instant of a day that is written 2026-11-22, on the reader's clock, or of one so many days later. */
function startOf(day: string, later = 0): number | undefined {
  const [, y, m, d] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? []
  if (!y) return undefined
  const at = new Date(Number(y), Number(m) - 1, Number(d) + later)
  const real = new Date(Number(y), Number(m) - 1, Number(d))
  return real.getMonth() === Number(m) - 1 ? at.getTime() : undefined
}

/** Whether an acceptance counts. */
export function acceptanceState(a: Pick<Acceptance, 'state' | 'until' | 'flaw'>, now: number): Said {
  const until = instant(a.until)
  switch (a.state) {
    case 'active':
      return { tone: 'ok', word: until === undefined ? 'Active' : `Active for ${span(until - now)} more` }
    case 'ended':
      return { tone: 'none', word: until === undefined ? 'Ended' : `Ended ${span(now - until)} ago` }
    default:
      return {
        tone: 'bad',
        word: 'Counts for nothing',
        reason: a.flaw ? sentence(a.flaw) : 'No key that may accept risks signed it',
      }
  }
}

/** What a new acceptance covers. A controller does not know. */
export function coveredWords(c: Covered | undefined): string {
  if (!c) return 'Its sites take it over, and leave out of their counts what it covers'
  if (c.findings === 0) return 'It covers no finding here now'
  return `It covers ${c.more ? 'at least ' : ''}${plural(c.findings, 'finding')} on ${plural(c.hosts, 'host')} here`
}

/** The body of an acceptance; what is blank is left out. */
export function acceptance(
  vulnerability: string,
  pkg: string,
  hosts: string | undefined,
  reason: string,
  until: string,
): AcceptanceMake {
  return {
    vulnerability: vulnerability.trim(),
    ...(pkg.trim() ? { package: pkg.trim() } : {}),
    ...(hosts ? { hosts } : {}),
    reason: reason.trim(),
    until,
  }
}

export const spans = ['1d', '7d', '30d', '90d'] as const

export const spanWords: Record<(typeof spans)[number], string> = {
  '1d': 'The last day',
  '7d': 'The last 7 days',
  '30d': 'The last 30 days',
  '90d': 'The last 90 days',
}

/** What the page of changes asks for, as the address has it. Without since or from, nothing is asked. */
export interface ChangeSearch {
  since?: (typeof spans)[number]
  /** Days of the reader's, both inclusive, in the place of since. */
  from?: string
  to?: string
  host?: string
  where?: string
  site?: string
}

export function changeSearch(from: Record<string, unknown>): ChangeSearch {
  const day = (v: unknown) => (typeof v === 'string' && startOf(v) !== undefined ? v : undefined)
  const first = day(from['from'])
  const last = day(from['to'])
  return {
    since: first ? undefined : spans.find((s) => s === from['since']),
    from: first,
    to: first && last && last >= first ? last : undefined,
    host: text(from['host'], 255),
    where: text(from['where'], 4096),
    site: text(from['site'], 64),
  }
}

/** The two times that the server is asked for; to is absent where it is not over yet. */
export function changeTimes(s: ChangeSearch, now: number): { from: string; to?: string } | undefined {
  if (!s.from) return s.since ? { from: s.since } : undefined
  const from = startOf(s.from)
  if (from === undefined || from >= now) return undefined
  const to = s.to ? startOf(s.to, 1) : undefined
  return {
    from: new Date(from).toISOString(),
    to: to === undefined || to >= now ? undefined : new Date(to).toISOString(),
  }
}

/** Whether a vulnerability opened or closed. Closed by an acceptance is not mended. */
export function changeWords(c: Pick<ExposureChange, 'change' | 'why'>): Said {
  if (c.change === 'opened') return { tone: 'bad', word: 'Opened' }
  return c.why === 'risk accepted' ? { tone: 'none', word: 'Closed' } : { tone: 'ok', word: 'Closed' }
}

/** Why it did: "Package upgraded from 1.0 to 1.1". */
export function changeReason(c: Pick<ExposureChange, 'why' | 'from_version' | 'to_version'>): string {
  const why = c.why === 'vex statement' ? 'A statement (VEX)' : sentence(c.why)
  if (c.from_version && c.to_version) return `${why} from ${c.from_version} to ${c.to_version}`
  if (c.to_version) return `${why}: ${c.to_version}`
  return c.from_version ? `${why}: ${c.from_version}` : why
}

/** How many of what is here opened and closed. total: how many there are, where not all are here. */
export function changeCounts(rows: Pick<ExposureChange, 'change'>[], total = rows.length): string {
  const opened = rows.filter((r) => r.change === 'opened').length
  const said = `${count(opened)} opened · ${count(rows.length - opened)} closed`
  return rows.length < total ? `of those that are here, ${said}` : said
}

/** The span that an answer is of, in days of the reader's. */
export function spanOf(from: string, to: string | undefined): string {
  const a = instant(from)
  const b = instant(to)
  return `${a === undefined ? 'an unknown time' : dayOf(a)} to ${b === undefined ? 'now' : dayOf(b - 1)}`
}
