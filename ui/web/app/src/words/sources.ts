// The words of the page of sources: what was taken in, how far a fetch is, and what came of one that somebody asked for.

import type { AdvisorySource } from '../api/types'
import { count, plural, size } from './count'
import { sentence, type Said } from './status'
import { instant, span } from './time'

const kinds: Record<string, string> = {
  osv: 'OSV',
  kev: 'known exploited (KEV)',
  epss: 'scores (EPSS)',
  nvd: 'NVD',
  csaf: 'CSAF',
  openvex: 'OpenVEX',
  bundle: 'bundles of another server',
  controller: 'this site’s controller',
}

/** What a source publishes. */
export function sourceKind(kind: string): string {
  return kinds[kind] ?? kind
}

/** How often a source is looked at. */
export function everyWords(seconds: number): string {
  return seconds > 0 ? `every ${span(seconds * 1000)}` : 'when there is something new'
}

/** What the newest edition did: "1,204 records read: 3 new, 12 changed, 1 gone". Nothing where none was taken in. */
export function edition(
  s: Pick<AdvisorySource, 'read' | 'created' | 'updated' | 'deleted' | 'malformed_n'>,
): string | undefined {
  if (s.read + s.created + s.updated + s.deleted + s.malformed_n === 0) return undefined
  const did = [
    ...(s.created > 0 ? [`${count(s.created)} new`] : []),
    ...(s.updated > 0 ? [`${count(s.updated)} changed`] : []),
    ...(s.deleted > 0 ? [`${count(s.deleted)} gone`] : []),
  ]
  return `${plural(s.read, 'record')} read: ${did.length > 0 ? did.join(', ') : 'nothing was new'}`
}

/** How far a fetch is: a share between 0 and 1 where the size is known, and the words. Nothing where none runs. */
export function progress(
  s: Pick<AdvisorySource, 'state' | 'have_bytes' | 'size_bytes'>,
): { share?: number; words: string } | undefined {
  if (s.state !== 'running') return undefined
  const have = s.have_bytes ?? 0
  const all = s.size_bytes ?? 0
  if (all > 0) return { share: Math.min(1, have / all), words: `${size(have)} of ${size(all)}` }
  return { words: have > 0 ? `${size(have)} so far` : 'asking for it' }
}

/** After so long without a sign, a fetch that was asked for waits for something else. */
const patience = 20_000

/**
 * What came of a fetch that was asked for at `asked`, when the source stood as in was; done: there is no more to wait for.
 */
export function fetchOutcome(
  was: AdvisorySource,
  is: AdvisorySource,
  asked: number,
  now: number,
): { said: Said; done: boolean } {
  if (is.state === 'running') return { said: { tone: 'none', word: 'Being fetched' }, done: false }
  const later = (a?: string, b?: string) => (instant(a) ?? 0) > (instant(b) ?? 0)
  if (later(is.failed_at, was.failed_at))
    return {
      said: { tone: 'bad', word: 'It was not fetched', reason: is.reason ? sentence(is.reason) : undefined },
      done: true,
    }
  if (later(is.changed_at, was.changed_at))
    return { said: { tone: 'ok', word: `Fetched: ${edition(is) ?? 'something new was taken in'}` }, done: true }
  if (later(is.checked_at, was.checked_at))
    return { said: { tone: 'ok', word: 'Fetched: it has nothing new' }, done: true }
  return now - asked > patience
    ? { said: { tone: 'none', word: 'It was asked for, and waits for its turn' }, done: true }
    : { said: { tone: 'none', word: 'Asked for' }, done: false }
}
