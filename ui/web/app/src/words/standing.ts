// The words for how a vulnerability stands on hosts, and the order in which to look at that.

import type { ExposedAt, Standing } from '../api/types'
import { person } from './alerts'
import { plural } from './count'
import { sentence, severityRank, type Said } from './status'
import { dayOf, instant } from './time'

/** How a finding stands, as it counts. What nobody could compare is not safe. */
export function standing(x: Pick<ExposedAt, 'verdict' | 'accepted' | 'reason' | 'fixed'>): Said {
  if (x.accepted) {
    const until = instant(x.accepted.until)
    return {
      tone: 'none',
      word: 'Accepted',
      reason: `${person(x.accepted.by)}${until === undefined ? '' : `, until ${dayOf(until)}`}: ${x.accepted.reason}`,
    }
  }
  const reason = x.reason ? sentence(x.reason) : undefined
  switch (x.verdict) {
    case 'affected':
      return { tone: 'bad', word: 'Affected', reason }
    case 'suppressed':
      return { tone: 'ok', word: 'Not affected', reason: reason ?? 'A statement (VEX) says so' }
    default:
      return { tone: 'warn', word: 'Cannot be told', reason: reason ?? 'The version cannot be compared' }
  }
}

const standings = ['Affected', 'Cannot be told', 'Accepted', 'Not affected'] as const

/** Hosts by how they stand: "9 affected · 1 cannot be told". A host counts once, where it stands worst. */
export function hostsByStanding(
  rows: Pick<ExposedAt, 'host_id' | 'verdict' | 'accepted' | 'reason' | 'fixed'>[],
): string {
  const worst = new Map<string, number>()
  for (const r of rows) {
    const at = standings.findIndex((s) => s === standing(r).word)
    worst.set(r.host_id, Math.min(worst.get(r.host_id) ?? standings.length, at))
  }
  return standings
    .map((s, i) => ({ s, n: [...worst.values()].filter((w) => w === i).length }))
    .filter(({ n }) => n > 0)
    .map(({ s, n }) => `${plural(n, 'host')} ${s.toLowerCase()}`)
    .join(' · ')
}

/**
 * A number that sorts findings by what to look at first: what counts before what is accepted or closed, then what is
 * known to be exploited, then severity, then the probability of an attack.
 */
export function priority(x: Pick<Standing, 'verdict' | 'accepted' | 'known_exploited' | 'severity' | 'epss'>): number {
  const counts = x.accepted || x.verdict === 'suppressed' ? 0 : 1
  return counts * 1000 + (x.known_exploited ? 100 : 0) + severityRank(x.severity) * 10 + Math.min(1, x.epss ?? 0) * 9
}
