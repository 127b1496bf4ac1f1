// The words and the address of the page of questions to all hosts.

import { count, plural } from './count'

export const questions = ['packages', 'certificates'] as const
export const comparisons = ['lt', 'le', 'eq', 'ge', 'gt'] as const

export type Comparison = (typeof comparisons)[number]

/** A comparison of versions as it is chosen. */
export const comparisonWords: Record<Comparison, string> = {
  lt: 'before',
  le: 'up to',
  eq: 'exactly',
  ge: 'from',
  gt: 'after',
}

/** What is asked, as the address has it. What is absent is the usual, or not asked for. */
export interface QuestionSearch {
  /** Absent: packages. */
  ask?: 'certificates'
  /** Of packages. Without it nothing is asked. */
  name?: string
  op?: Comparison
  version?: string
  /** Of certificates: how many days ahead. Absent: nothing is asked. */
  days?: string
  /** Of certificates: without those that have ended. */
  ahead?: 'yes'
  /** Only hosts that this search finds. */
  where?: string
  /** At a controller: the one site that is asked. */
  site?: string
}

export function questionSearch(from: Record<string, unknown>): QuestionSearch {
  const op = comparisons.find((c) => c === from['op'])
  const version = text(from['version'], 256)
  return {
    ask: from['ask'] === 'certificates' ? 'certificates' : undefined,
    name: text(from['name'], 256),
    // One without the other is no question.
    op: version ? op : undefined,
    version: op ? version : undefined,
    days: typeof from['days'] === 'string' && /^\d{1,5}$/.test(from['days']) ? from['days'] : undefined,
    ahead: from['ahead'] === 'yes' ? 'yes' : undefined,
    where: text(from['where'], 4096),
    site: text(from['site'], 64),
  }
}

function text(v: unknown, most: number): string | undefined {
  return (typeof v === 'string' && v.trim().slice(0, most)) || undefined
}

/** What of an answer that several sites give is missing or must be known besides. */
export interface Gathered {
  answered_n: number
  partial_n: number
  answered: { site: string; lacking?: number; unordered?: number; note?: string }[] | null
}

/** What sites are asked about. */
export type Kind = 'packages' | 'certificates' | 'findings' | 'changes'

/** What is said of hosts about which a site cannot answer: of one, and of several. */
const lackingWords: Record<Kind, [one: string, many: string]> = {
  packages: [
    'has not reported its packages, or its list cannot be read',
    'have not reported their packages, or their lists cannot be read',
  ],
  certificates: [
    'has not reported its certificates, or its list cannot be read',
    'have not reported their certificates, or their lists cannot be read',
  ],
  findings: ['has not been matched with advisories', 'have not been matched with advisories'],
  changes: [
    'is left out: what was installed on it at both times is not known',
    'are left out: what was installed on them at both times is not known',
  ],
}

/** Remarks about an answer, one sentence each; the sites that did not answer are told of elsewhere. */
export function remarks(g: Gathered, kind: Kind): string[] {
  const said: string[] = []
  const notes = new Map<string, string[]>()
  let lacking = 0
  let unordered = 0
  for (const a of g.answered ?? []) {
    if (a.note) notes.set(a.note, [...(notes.get(a.note) ?? []), a.site])
    else lacking += a.lacking ?? 0
    unordered += a.unordered ?? 0
  }
  for (const [note, sites] of notes) {
    const some = sites.slice(0, 5).join(', ')
    const more = sites.length > 5 ? ` and ${count(sites.length - 5)} more` : ''
    said.push(`${some}${more}: ${note}.`)
  }
  if (lacking > 0) said.push(`${plural(lacking, 'host')} ${lackingWords[kind][lacking === 1 ? 0 : 1]}.`)
  if (unordered > 0)
    said.push(
      `${plural(unordered, 'package')} of that name ${unordered === 1 ? 'is left out: its version' : 'are left out: their versions'} cannot be compared with this one.`,
    )
  return said
}
