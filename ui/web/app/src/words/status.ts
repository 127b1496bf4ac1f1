// The words for what state something is in. The rule over all of them: unknown is never healthy, and
// nothing is green on the strength of an old answer.

import type { Clock, Host, Site, Uplink } from '../api/types'
import { plural, size } from './count'
import { instant, localTimes, span } from './time'

/** How a state is coloured and which mark it gets. Only ok is green. */
export type Tone = 'ok' | 'warn' | 'bad' | 'none'

/** A state in words. */
export interface Said {
  tone: Tone
  word: string
  reason?: string
}

const healthWords: Record<string, Said> = {
  ok: { tone: 'ok', word: 'OK' },
  degraded: { tone: 'warn', word: 'Degraded' },
  down: { tone: 'bad', word: 'Down' },
  unknown: { tone: 'none', word: 'Unknown' },
}

const unknown: Said = { tone: 'none', word: 'Unknown' }

/**
 * The traffic light of a site. fresh says whether the answer it comes from is of now: where it is not,
 * the light is out, and the reason says what it was.
 */
export function siteHealth(site: Pick<Site, 'health' | 'health_reason' | 'link'>, fresh: boolean): Said {
  const said = healthWords[site.health] ?? unknown
  const reason = site.health_reason ? sentence(site.health_reason) : undefined
  if (!fresh) return { ...unknown, reason: `This server does not answer. It last said: ${said.word}` }
  if (said.tone === 'ok' && site.link !== 'up')
    return { ...unknown, reason: 'The server says OK, but the link is not up' }
  return { ...said, reason }
}

/** A host's status, with the same care. */
export function hostStatus(host: Pick<Host, 'status' | 'status_reason'>, fresh: boolean): Said {
  const words: Record<string, Said> = {
    up: { tone: 'ok', word: 'Up' },
    late: { tone: 'warn', word: 'Late', reason: 'A report is missing, but not yet three' },
    down: { tone: 'bad', word: 'Down' },
  }
  const said = words[host.status] ?? unknown
  if (!fresh) return { ...unknown, reason: `This server does not answer. It last said: ${said.word}` }
  return { ...said, reason: host.status_reason ? sentence(host.status_reason) : said.reason }
}

/** Where a site is in its life. This says nothing of its link or of its data. */
export function lifecycle(site: Pick<Site, 'status' | 'token_expires'>, now: number): string {
  switch (site.status) {
    case 'enrolled':
      return 'Enrolled'
    case 'pending': {
      const expires = instant(site.token_expires)
      if (expires === undefined) return 'Waiting to enrol'
      return expires > now
        ? `Waiting to enrol; its token holds for ${span(expires - now)}`
        : 'Waiting to enrol; its token has expired'
    }
    case 'suspended':
      return 'Suspended'
    case 'quarantined':
      return 'Quarantined'
    case 'removed':
      return 'Removed'
    default:
      return String(site.status)
  }
}

/** The state of a site's link, with since when. */
export function linkWords(site: Pick<Site, 'link' | 'link_since'>, fresh: boolean, now: number): Said {
  const since = instant(site.link_since)
  const long = since === undefined ? '' : ` for ${span(now - since)}`
  if (!fresh) return { tone: 'none', word: `Unknown; last said: ${site.link}` }
  switch (site.link) {
    case 'up':
      return { tone: 'ok', word: `Up${long}` }
    case 'degraded':
      return { tone: 'warn', word: `Up, but late${long}` }
    case 'unknown':
      return { ...unknown, word: 'Not known yet', reason: 'This server started too short a time ago to say' }
    case 'down':
      return { tone: 'bad', word: `Down${long}` }
    case 'never':
      return { tone: 'none', word: 'Never seen' }
    default:
      return { tone: 'none', word: String(site.link) }
  }
}

/** At a site: its own link to the controller. Being on its own is a way to work, not a failure. */
export function uplinkWords(uplink: Uplink, fresh: boolean, now: number): Said {
  const since = instant(uplink.since)
  const long = since === undefined ? '' : ` for ${span(now - since)}`
  if (!fresh) return { ...unknown, reason: 'This server does not answer' }
  const why = uplink.reason ? sentence(uplink.reason) : undefined
  switch (uplink.state as string) {
    case 'online':
      return { tone: 'ok', word: 'Linked to the controller', reason: long ? `Linked${long}` : undefined }
    case 'degraded':
      return { tone: 'warn', word: 'Linked, but late', reason: why }
    case 'offline':
      return {
        tone: 'warn',
        word: 'No link to the controller',
        reason: uplink.last_error ? sentence(uplink.last_error) : why,
      }
    case 'unknown':
      return { ...unknown, word: 'Link not known yet', reason: why }
    case 'removed':
      return {
        tone: 'bad',
        word: 'Removed by the controller',
        reason: `The controller removed this site and takes no more from it${long}. Everything here goes on working`,
      }
    case 'unenrolled':
      return {
        tone: 'none',
        word: 'Not enrolled',
        reason: 'This site has no controller. It works on its own; `skerry federation enroll` joins it to one.',
      }
    default:
      return { ...unknown, reason: String(uplink.state) }
  }
}

/** How much of a site waits in its outbox. */
export function waiting(uplink: Pick<Uplink, 'pending' | 'pending_bytes'>): string {
  const { pending, pending_bytes: bytes } = uplink
  if (pending <= 0) return 'nothing waits for the controller'
  return `${plural(pending, 'item')}${bytes ? ` (${size(bytes)})` : ''} ${pending === 1 ? 'waits' : 'wait'} for the controller`
}

/** What is wrong with a site's time; nothing where it is believed. */
export function clockDoubt(clock: Clock): Said | undefined {
  const apart = Math.abs((instant(clock.wall) ?? 0) - (instant(clock.now) ?? 0))
  const by = apart >= 1000 ? ` by ${span(apart)}` : ''
  switch (clock.judged) {
    case 'believed':
      return undefined
    case 'behind':
      return {
        tone: 'warn',
        word: 'This machine’s clock is behind',
        reason: `It stands before times that have passed${by}. Nothing is put into the past for that: this site counts on from the last time it knows. Set the clock of the machine.`,
      }
    case 'doubted':
      return {
        tone: 'warn',
        word: 'This machine’s clock is doubted',
        reason: `It is far ahead${by} of everything this site knows, and nobody vouches for it. Set it, or accept it if it is right.`,
      }
    default:
      return { tone: 'warn', word: `This machine’s clock is ${clock.judged}` }
  }
}

/** Makes a sentence of the server's lower-case reason, with times on the reader's clock. */
export function sentence(text: string): string {
  const s = localTimes(text)
  return s.charAt(0).toUpperCase() + s.slice(1)
}

/** The severities in the order of what matters first. */
export const severities = ['critical', 'high', 'medium', 'low', 'none', 'unknown'] as const

export type Severity = (typeof severities)[number]

/** A severity's word. Unknown means that nobody has rated it, not that it is harmless. */
export function severityWord(s: string): string {
  return s === 'unknown' ? 'Unrated' : s.charAt(0).toUpperCase() + s.slice(1)
}

/** A number that sorts severities, the worst highest. What nobody has rated stands between medium and low. */
export function severityRank(s: string): number {
  const order: Record<string, number> = { critical: 6, high: 5, medium: 4, unknown: 3, low: 2, none: 1 }
  return order[s] ?? 3
}

/** The same in their order, but what is known to be exploited before all others. */
export function exploitedFirst<T extends { known_exploited?: boolean }>(of: T[]): T[] {
  return [...of].sort((a, b) => Number(b.known_exploited ?? false) - Number(a.known_exploited ?? false))
}
