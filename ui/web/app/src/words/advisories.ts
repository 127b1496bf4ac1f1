// The words and the addresses of the pages of advisories.

import type { AdvisorySource, Canonical, Explained, Neighbour, Resolved } from '../api/types'
import { count, plural } from './count'
import { sentence, severities, severityWord, type Said, type Severity } from './status'
import { dayOf, instant, span } from './time'

export const withdrawnWays = ['exclude', 'only'] as const
export const changedSpans = ['1d', '7d', '30d'] as const

/** What the page of advisories looks for, as its address has it. What is absent is not asked for. */
export interface AdvisorySearch {
  /** An id, words, or a package URL. */
  q?: string
  severity?: Severity
  source?: string
  known?: 'yes'
  withdrawn?: (typeof withdrawnWays)[number]
  changed?: (typeof changedSpans)[number]
}

export function advisorySearch(from: Record<string, unknown>): AdvisorySearch {
  return {
    q: text(from['q'], 256),
    severity: severities.find((s) => s === from['severity']),
    source: text(from['source'], 64),
    known: from['known'] === 'yes' ? 'yes' : undefined,
    withdrawn: withdrawnWays.find((w) => w === from['withdrawn']),
    changed: changedSpans.find((c) => c === from['changed']),
  }
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

/** The same for the server: what begins as a package URL is one, and a version in it is judged. */
export function asked(s: AdvisorySearch) {
  const purl = s.q?.startsWith('pkg:') ? s.q : undefined
  return {
    q: purl ? undefined : s.q,
    purl,
    severity: s.severity,
    source: s.source,
    known_exploited: s.known ? true : undefined,
    withdrawn: s.withdrawn,
    changed_since: s.changed,
  }
}

/** Whether what was typed names one advisory beyond doubt. */
export function isMergeHash(typed: string): boolean {
  return /^sha256:[0-9a-f]{64}$/i.test(typed)
}

/** Whether it looks like an identifier, as CVE-2024-1234, and not like words. */
export function isIdentifier(typed: string): boolean {
  return /^[a-z][\w.~]*(-|:)[\w.:~-]*\d[\w.:~-]*$/i.test(typed) && !typed.startsWith('pkg:')
}

/** A probability as EPSS gives it, in percent. What is small stays more than nothing, and what is not sure is not 100. */
export function percent(p: number): string {
  const n = p * 100
  if (n > 0 && n < 0.1) return 'under 0.1 %'
  if (n < 100 && n > 99.5) return 'over 99 %'
  return `${n < 10 ? n.toFixed(1).replace(/\.0$/, '') : Math.round(n)} %`
}

/** The same with what it means. */
export function likelihood(p: number): string {
  return `${percent(p)} likely to be attacked within 30 days (EPSS)`
}

/** Where a score stands among all that are given. */
export function percentileWords(p: number): string {
  if (p < 0.5) return `higher than ${percent(p)} of all that are scored`
  const top = Math.max(1, Math.ceil((1 - p) * 1000 - 1e-6)) / 10
  return `among the highest ${top < 10 ? top : Math.round(top)} % of all that are scored`
}

/** What is known of attacks, of whichever record says most of it. */
export function attacks(c: Canonical): { known?: number; due?: number; ransomware: boolean; percentile?: number } {
  const of = (c.records ?? []).flatMap((r) => (r.exploit ? [r.exploit] : []))
  return {
    known: instant(c.known_exploited),
    due: of.map((x) => instant(x.due)).find((t) => t !== undefined),
    ransomware: of.some((x) => x.ransomware === true),
    percentile: of.map((x) => x.epss_percentile).find((n) => n !== undefined && n > 0),
  }
}

/** The other names of a vulnerability. What a catalog calls its own entry about it is none. */
export function otherNames(c: Pick<Canonical, 'aliases' | 'members'>): string[] {
  const entries = new Set((c.members ?? []).filter((m) => m.reason === 'fact').map((m) => m.id))
  return (c.aliases ?? []).filter((a) => !entries.has(a))
}

const fieldNames: Record<string, string> = {
  cvss: 'CVSS vector',
  cwes: 'Weaknesses',
  known_exploited: 'Known exploited',
  probability: 'EPSS',
}

/** A field for people: "known_exploited" is "Known exploited". */
export function fieldWords(name: string): string {
  const s = fieldNames[name] ?? name.replaceAll('_', ' ')
  return s.charAt(0).toUpperCase() + s.slice(1)
}

/** What a record says of a field, for people. What is not understood stays as the server wrote it. */
export function fieldValue(name: string, value: string): string {
  switch (name) {
    case 'severity': {
      const [word, ...vector] = value.split(' ')
      return [severityWord(word ?? ''), ...vector].join(' ')
    }
    case 'published':
      return dayWords(value)
    case 'withdrawn':
      return value === 'in force' ? 'In force' : `Withdrawn on ${dayWords(value)}`
    case 'known_exploited':
      return `Since ${value.replace(/\d{4}-\d\d-\d\d/g, dayWords)}`
    case 'probability':
      return value.replace(
        /^(\S+) on (\S+)$/,
        (_, p: string, day: string) => `${percent(Number(p))} on ${dayWords(day)}`,
      )
    default:
      return value
  }
}

/** How what one record says of a field stands to what counts. */
export function saidWords(f: Pick<Resolved, 'name' | 'differs'>, s: { agrees: boolean; withdrawn?: boolean }): Said {
  if (s.agrees) return { tone: 'ok', word: 'Agrees' }
  if (f.name === 'summary') return { tone: 'none', word: 'In its own words' }
  if (s.withdrawn && f.name !== 'withdrawn') return { tone: 'none', word: 'Withdrawn' }
  return f.differs ? { tone: 'warn', word: 'Differs' } : { tone: 'none', word: 'Not to be compared' }
}

/** A day of the server, which is in UTC whatever the reader's clock says. */
function dayWords(value: string): string {
  const [y, m, d] = value.slice(0, 10).split('-').map(Number)
  return y && m && d ? dayOf(new Date(y, m - 1, d).getTime()) : value
}

/** The day of an instant for which the hour means nothing, as that of a publication. */
export function day(at: string | undefined): string | undefined {
  return instant(at) === undefined ? undefined : dayWords(at!)
}

/** Why a canonical stands beside another one. */
export function neighbourWords(n: Pick<Neighbour, 'how'>): string {
  switch (n.how) {
    case 'upstream':
      return 'lies behind this one'
    case 'related':
      return 'has to do with this one'
    case 'names this':
      return 'names this one'
    default:
      return String(n.how)
  }
}

/** One package that a record names. */
export interface Named {
  ecosystem: string
  package: string
  vulnerable: string
  modules: string[]
  /** As source/id. */
  from: string
  outside: boolean
}

/** What is said of the packages of one ecosystem, and who speaks for it. */
export interface Spoken {
  ecosystem: string
  speaker?: string
  severity?: string
  rows: Named[]
}

const versionsShown = 6

/** The packages by ecosystem. Those for which nobody with authority speaks come last. */
export function packagesByEcosystem(records: Canonical['records'], speaking: Explained['ecosystems']): Spoken[] {
  const groups = new Map<string, Spoken>()
  for (const r of records ?? []) {
    for (const a of r.affected ?? []) {
      const base = a.ecosystem.split(':', 1)[0]!
      const who = speaking?.find((s) => s.ecosystem === base)
      const group = groups.get(base) ?? { ecosystem: base, speaker: who?.from, severity: who?.severity, rows: [] }
      groups.set(base, group)
      group.rows.push({
        ecosystem: a.ecosystem,
        package: a.package,
        vulnerable: versionsWords(a.ranges, a.versions),
        modules: a.modules ?? [],
        from: `${r.source}/${r.id}`,
        outside: a.outside === true,
      })
    }
  }
  const voice = (g: Spoken) => (g.rows.every((r) => r.outside) ? 1 : 0)
  return [...groups.values()].sort((a, b) => voice(a) - voice(b) || a.ecosystem.localeCompare(b.ecosystem, 'en'))
}

/** Versions that are vulnerable. A record that names neither ranges nor versions speaks of the package as such. */
function versionsWords(ranges: string[] | null | undefined, versions: string[] | null | undefined): string {
  const said = (ranges ?? []).map((r) => (/^>= 0$/.test(r.trim()) ? 'every version so far' : r.replace(/^>= 0, /, '')))
  const listed = versions ?? []
  if (said.length === 0 && listed.length > 0) {
    const more = listed.length - versionsShown
    said.push(listed.slice(0, versionsShown).join(', ') + (more > 0 ? ` and ${count(more)} more` : ''))
  }
  return said.length > 0 ? said.join('; ') : 'no versions named'
}

const statusWords: Record<string, Said> = {
  not_affected: { tone: 'ok', word: 'Not affected' },
  affected: { tone: 'bad', word: 'Affected' },
  fixed: { tone: 'ok', word: 'Fixed' },
  under_investigation: { tone: 'warn', word: 'Under investigation' },
}

/** What a statement (VEX) says of products. */
export function statementWords(status: string): Said {
  return statusWords[status] ?? { tone: 'none', word: sentence(status.replaceAll('_', ' ')) }
}

/** The instant that a cursor names: "2026-11-22T13:22:04.489Z#16595". */
export function cursorTime(cursor: string | undefined): number | undefined {
  return instant(cursor?.split('#', 1)[0])
}

/** How level with its origin a source of advisories is. Age alone is never a failure; that nothing is known is never fine. */
export function sourceState(s: AdvisorySource): Said {
  const age = s.age_seconds === undefined ? undefined : span(s.age_seconds * 1000)
  const upper = s.kind === 'controller'
  const reason = s.reason ? sentence(s.reason) : undefined
  switch (s.state) {
    case 'behind':
      return { tone: 'warn', word: `Behind its controller by ${plural(s.behind_n ?? 0, 'change')} at most` }
    case 'current':
      if (s.warning) return { tone: 'warn', word: 'Current, but not all of it counts' }
      return { tone: 'ok', word: upper ? 'Level with its controller' : 'Current' }
    case 'running':
      return { tone: 'none', word: upper ? 'Fetching from its controller' : 'Being fetched' }
    case 'old':
      return {
        tone: 'warn',
        word: upper
          ? `Not level with its controller for ${age ?? 'an unknown time'}`
          : `Not reached for ${age ?? 'an unknown time'}`,
        reason,
      }
    case 'failing':
      return { tone: 'warn', word: 'The last attempt failed', reason }
    case 'elsewhere':
      return { tone: 'none', word: 'Fetched by the node that leads', reason }
    case 'never':
      return { tone: 'none', word: upper ? 'Never level with its controller' : 'Never reached', reason }
    default:
      return { tone: 'none', word: String(s.state), reason }
  }
}
