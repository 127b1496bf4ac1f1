// The words for advisories that were taken back.

import type { Canonical } from '../api/types'
import { day } from './advisories'

/** What is to be known before a vulnerability is read: that it was taken back, by all or by some. Nothing where nobody did. */
export function takenBack(
  c: Pick<Canonical, 'withdrawn' | 'records' | 'members'>,
): { title: string; text: string; all: boolean } | undefined {
  const facts = new Set((c.members ?? []).filter((m) => m.reason === 'fact').map((m) => `${m.source}/${m.id}`))
  const back = (c.records ?? []).filter((r) => r.withdrawn && !facts.has(`${r.source}/${r.id}`))
  const who = back.map(
    (r) => `${r.source}/${r.id} was ${r.source === 'nvd' ? 'rejected' : 'withdrawn'} on ${day(r.withdrawn)}`,
  )
  if (c.withdrawn)
    return {
      all: true,
      title: `Withdrawn on ${day(c.withdrawn) ?? 'an unknown day'}`,
      text: `${who.length > 0 ? `${who.join('; ')}. ` : ''}No host is matched with it any more, and its findings are closed.`,
    }
  if (who.length === 0) return undefined
  return {
    all: false,
    title: 'Some took it back, others did not',
    text: `${who.join('; ')}. What the others say counts.`,
  }
}

/** What a severity means where the word alone might mislead. */
export function severityNote(severity: string): string | undefined {
  if (severity === 'unknown') return 'nobody has rated it, which does not mean that it is harmless'
  return severity === 'none' ? 'rated to have no effect' : undefined
}
