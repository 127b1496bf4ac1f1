// The words and the address of the page of bundles: who sends them, with which keys, and what one does.

import type { AuditEntry, Conflict, FindingsPreview, ImportCounts, ImportRecord, Key, Partner } from '../api/types'
import { count, plural, size } from './count'
import { sentence, severityWord, type Said } from './status'
import { dayOf, instant, localTimes, span } from './time'

export interface BundleSearch {
  /** Whose imports are listed. */
  origin?: string
}

export function bundleSearch(from: Record<string, unknown>): BundleSearch {
  const origin = from['origin']
  return { origin: (typeof origin === 'string' && origin.trim().slice(0, 256)) || undefined }
}

/** What becomes of a record that is here from another origin and says something else. '': as the server decides. */
export const conflictWays = ['', 'prefer_remote', 'prefer_local', 'fail'] as const
export type ConflictWay = (typeof conflictWays)[number]

/** The same for people. At a site the controller's records stay where nobody says otherwise. */
export function conflictWayWords(way: ConflictWay, site: boolean): string {
  switch (way) {
    case 'prefer_remote':
      return 'The bundle wins'
    case 'prefer_local':
      return 'What is here stays'
    case 'fail':
      return 'Import nothing then'
    default:
      return site ? 'The bundle wins, but not over the controller' : 'The bundle wins (usual)'
  }
}

/** Whether an origin's bundles are taken. */
export function partnerState(p: Pick<Partner, 'status' | 'reason'>): Said {
  const reason = p.reason ? sentence(p.reason) : undefined
  switch (p.status) {
    case 'enabled':
      return { tone: 'ok', word: 'Enabled' }
    case 'disabled':
      return { tone: 'none', word: 'Disabled', reason }
    default:
      return { tone: 'warn', word: 'Not allowed', reason }
  }
}

/** What is allowed of an origin, one clause each. */
export function policyWords(
  p: Pick<Partner, 'policy' | 'max_bundle_size' | 'allowed_sources' | 'skip_signature'>,
): string[] {
  if (!p.policy) return ['as for everybody']
  const sources = p.allowed_sources ?? []
  return [
    sources.length > 0 ? `only ${sources.join(', ')}` : 'every source',
    p.max_bundle_size ? `at most ${size(p.max_bundle_size)}` : 'of any size that is taken',
    ...(p.skip_signature ? ['also without a signature, where that is asked for'] : []),
  ]
}

/** The state of a key. Signatures of retired and revoked ones count for nothing. */
export function keyState(k: Pick<Key, 'state' | 'retires_at'>, now: number): Said {
  const at = instant(k.retires_at)
  switch (k.state) {
    case 'active':
      return { tone: 'ok', word: 'Active' }
    case 'retiring':
      return {
        tone: 'warn',
        word: at === undefined ? 'Retiring' : `Retires in ${span(at - now)}`,
        reason: at === undefined ? undefined : `It signs on until ${dayOf(at)}; its successor is trusted already`,
      }
    case 'retired':
      return { tone: 'none', word: 'Retired', reason: 'What it signs counts for nothing' }
    case 'revoked':
      return { tone: 'bad', word: 'Revoked', reason: 'What it signed counts for nothing, for good' }
    default:
      return { tone: 'none', word: String(k.state) }
  }
}

const purposes: Record<string, string> = { federation: 'bundles', acceptance: 'accepted risks' }

/** What a key may sign. */
export function purposeWords(p: string[] | null | undefined): string {
  return (p ?? []).map((x) => purposes[x] ?? x).join(', ') || 'nothing'
}

/** A hash by its beginning, which is enough to tell two apart: "sha256:1a2b3c4d…". */
export function shortHash(hash: string): string {
  const [head, tail] = hash.includes(':') ? hash.split(':', 2) : ['', hash]
  return `${head ? `${head}:` : ''}${tail!.length > 12 ? `${tail!.slice(0, 8)}…` : tail}`
}

/** What an import did, or would do: "12 vulnerabilities new, 3 changed · 2 records deleted". */
export function importWords(c: ImportCounts): string {
  const canonicals = [
    ...(c.canonical_created > 0 ? [`${count(c.canonical_created)} new`] : []),
    ...(c.canonical_updated > 0 ? [`${count(c.canonical_updated)} changed`] : []),
  ]
  const parts = [
    ...(canonicals.length > 0
      ? [
          `${canonicals.length > 1 || c.canonical_created + c.canonical_updated > 1 ? 'vulnerabilities' : 'vulnerability'}: ${canonicals.join(', ')}`,
        ]
      : []),
    ...(c.deletions_processed > 0 ? [`${plural(c.deletions_processed, 'record')} deleted`] : []),
  ]
  return parts.length > 0 ? sentence(parts.join(' · ')) : 'Nothing in it was new'
}

/** The counts by what they are of, each with its parts. */
export function countRows(c: ImportCounts): [of: string, created: number, updated: number, skipped: number][] {
  return [
    ['Vulnerabilities', c.canonical_created, c.canonical_updated, c.canonical_skipped],
    ['Records', c.advisories_created, c.advisories_updated, c.advisories_skipped],
  ]
}

/** What became of a field in which the two do not agree. */
export function resolutionWords(c: Pick<Conflict, 'resolution'>): string {
  return c.resolution === 'prefer_remote' ? 'the bundle’s' : 'what was here'
}

/** What one side says of a field, for people. What is not understood, or was cut, stays as the server wrote it. */
export function conflictValue(field: string, value: string): string {
  if (!value) return field === 'withdrawn' ? 'In force' : '–'
  switch (field) {
    case 'severity':
      return /^[a-z]+$/.test(value) ? severityWord(value) : value
    case 'published':
    case 'withdrawn':
    case 'modified':
      return localTimes(value)
    case 'affected': {
      const entries = value.split(/; (?=\{)/).map(affectedWords)
      return entries.every((e) => e !== undefined) ? entries.join('; ') : value
    }
    default:
      return value
  }
}

interface Affected {
  ecosystem?: string
  name?: string
  ranges?: { events?: Record<string, string>[] }[]
  versions?: string[]
}

const bounds: Record<string, string> = { introduced: '>=', fixed: '<', last_affected: '<=', limit: '<' }

/** A package with its vulnerable versions: "Debian:12 openssl >= 0, < 3.0.11". Nothing where it is not whole. */
function affectedWords(text: string): string | undefined {
  let a: Affected
  try {
    a = JSON.parse(text) as Affected
  } catch {
    return undefined
  }
  if (typeof a !== 'object' || a === null || !a.name) return undefined
  const ranges = (a.ranges ?? []).map((r) =>
    (r.events ?? [])
      .flatMap((e) => Object.entries(e))
      .map(([what, version]) => `${bounds[what] ?? what} ${version}`)
      .join(', '),
  )
  const versions = a.versions?.length ? [a.versions.join(', ')] : []
  return [a.ecosystem, a.name, [...ranges, ...versions].join(' or ')].filter(Boolean).join(' ')
}

/** What an import would open and close. */
export function findingsWords(f: FindingsPreview): string {
  if (f.appear + f.disappear === 0) return 'No finding of any host would appear or disappear'
  return `${plural(f.appear, 'finding')} would appear and ${count(f.disappear)} disappear, on ${plural(f.host_n, 'host')}`
}

/** What is to be known of an import besides. */
export function importMarks(i: Pick<ImportRecord, 'forced' | 'unsigned'>): Said[] {
  return [
    ...(i.forced ? [{ tone: 'warn' as const, word: 'Forced' }] : []),
    ...(i.unsigned ? [{ tone: 'warn' as const, word: 'Signature not asked for' }] : []),
  ]
}

/** Of the record of what was done: exports, and bundles that were refused. */
export function lately(entries: AuditEntry[] | null | undefined): AuditEntry[] {
  return (entries ?? []).filter((e) => e.action === 'bundle.export' || (e.action === 'bundle.import' && !e.ok))
}

/** What such an entry tells. */
export function latelyWords(e: AuditEntry): Said {
  if (e.action !== 'bundle.export')
    return { tone: 'bad', word: 'Refused', reason: e.reason ? sentence(e.reason) : undefined }
  const of = Number(e.detail?.['of'] ?? 0)
  return { tone: 'ok', word: of > 1 ? `Exported part ${e.detail?.['part'] || '1'} of ${of}` : 'Exported' }
}
