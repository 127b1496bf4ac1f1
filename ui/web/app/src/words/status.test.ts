import { describe, expect, test } from 'vitest'
import {
  clockDoubt,
  exploitedFirst,
  hostStatus,
  lifecycle,
  linkWords,
  severities,
  severityRank,
  siteHealth,
  uplinkWords,
  waiting,
} from './status'
import { moment } from './time'

const now = Date.parse('2026-11-21T22:05:00Z')
const at = (s: number) => new Date(now - s * 1000).toISOString()

describe('the traffic light', () => {
  test('is green only for a fresh ok over a link that is up', () => {
    const greens = []
    for (const health of ['ok', 'degraded', 'down', 'unknown', 'splendid'] as const) {
      for (const link of ['up', 'degraded', 'down', 'unknown', 'never'] as const) {
        for (const fresh of [true, false]) {
          if (siteHealth({ health: health as 'ok', link }, fresh).tone === 'ok') greens.push([health, link, fresh])
        }
      }
    }
    expect(greens).toEqual([['ok', 'up', true]])
  })

  test('goes out when the server does not answer, and says what it was', () => {
    expect(siteHealth({ health: 'ok', link: 'up' }, false)).toEqual({
      tone: 'none',
      word: 'Unknown',
      reason: 'This server does not answer. It last said: OK',
    })
  })

  test("gives the server's reason as a sentence on the reader's clock", () => {
    const said = siteHealth(
      { health: 'down', link: 'down', health_reason: 'its link has been down since 2026-11-21T22:05:00Z' },
      true,
    )
    expect(said).toEqual({ tone: 'bad', word: 'Down', reason: `Its link has been down since ${moment(now)}` })
  })
})

describe('a host', () => {
  test('is green only when a fresh answer says up', () => {
    expect(hostStatus({ status: 'up' }, true)).toEqual({ tone: 'ok', word: 'Up', reason: undefined })
    expect(hostStatus({ status: 'up' }, false).tone).toBe('none')
    expect(hostStatus({ status: 'down' }, true).tone).toBe('bad')
    expect(hostStatus({ status: 'unknown', status_reason: 'site oslo cannot be reached' }, true)).toEqual({
      tone: 'none',
      word: 'Unknown',
      reason: 'Site oslo cannot be reached',
    })
    expect(hostStatus({ status: 'asleep' as 'up' }, true).word).toBe('Unknown')
  })
})

describe('lifecycle', () => {
  test.each([
    [{ status: 'enrolled' as const }, 'Enrolled'],
    [{ status: 'pending' as const }, 'Waiting to enrol'],
    [{ status: 'pending' as const, token_expires: at(-7200) }, 'Waiting to enrol; its token holds for 2 h'],
    [{ status: 'pending' as const, token_expires: at(1) }, 'Waiting to enrol; its token has expired'],
    [{ status: 'suspended' as const }, 'Suspended'],
    [{ status: 'quarantined' as const }, 'Quarantined'],
  ])('%o', (site, want) => expect(lifecycle(site, now)).toBe(want))
})

describe('the link', () => {
  test('says for how long', () => {
    expect(linkWords({ link: 'up', link_since: at(3 * 3600) }, true, now)).toEqual({ tone: 'ok', word: 'Up for 3 h' })
    expect(linkWords({ link: 'down', link_since: at(720) }, true, now)).toEqual({
      tone: 'bad',
      word: 'Down for 12 min',
    })
    expect(linkWords({ link: 'down' }, true, now)).toEqual({ tone: 'bad', word: 'Down' })
    expect(linkWords({ link: 'degraded', link_since: at(720) }, true, now)).toEqual({
      tone: 'warn',
      word: 'Up, but late for 12 min',
    })
    expect(linkWords({ link: 'unknown', link_since: at(720) }, true, now)).toMatchObject({
      tone: 'none',
      word: 'Not known yet',
    })
    expect(linkWords({ link: 'never' }, true, now)).toEqual({ tone: 'none', word: 'Never seen' })
  })
  test('is not up because an old answer said so', () => {
    expect(linkWords({ link: 'up', link_since: at(60) }, false, now)).toEqual({
      tone: 'none',
      word: 'Unknown; last said: up',
    })
  })
})

describe("a site's own uplink", () => {
  test('being alone is said plainly', () => {
    expect(
      uplinkWords({ state: 'offline', since: at(90), pending: 3, last_error: 'dial: connection refused' }, true, now),
    ).toEqual({ tone: 'warn', word: 'No link to the controller', reason: 'Dial: connection refused' })
    expect(uplinkWords({ state: 'online', since: at(90), pending: 0 }, true, now).tone).toBe('ok')
    expect(uplinkWords({ state: 'online', pending: 0 }, false, now).tone).toBe('none')
    // What a controller removed waits for nothing: it is not merely on its own.
    const removed = uplinkWords({ state: 'removed' as 'offline', since: at(90), pending: 3 }, true, now)
    expect([removed.tone, removed.word]).toEqual(['bad', 'Removed by the controller'])
    expect(removed.reason).toContain('goes on working')
    expect(uplinkWords({ state: 'degraded', pending: 9, reason: 'items wait since noon' }, true, now)).toEqual({
      tone: 'warn',
      word: 'Linked, but late',
      reason: 'Items wait since noon',
    })
    expect(uplinkWords({ state: 'unknown', pending: 0 }, true, now).tone).toBe('none')
    expect(uplinkWords({ state: 'unenrolled', pending: 0 }, true, now).word).toBe('Not enrolled')
  })
})

test('severities fall in the order they are shown, with the unrated before the low', () => {
  const sorted = [...severities].sort((a, b) => severityRank(b) - severityRank(a))
  expect(sorted).toEqual(['critical', 'high', 'medium', 'unknown', 'low', 'none'])
  expect(severityRank('apocalyptic')).toBe(severityRank('unknown'))
})

test('a clock is remarked unless it is believed', () => {
  const clock = { now: at(0), wall: at(7200) }
  expect(clockDoubt({ ...clock, judged: 'believed' })).toBeUndefined()
  expect(clockDoubt({ ...clock, judged: 'behind' })?.reason).toContain('by 2 h.')
  expect(clockDoubt({ ...clock, judged: 'doubted' })?.word).toBe('This machine’s clock is doubted')
  expect(clockDoubt({ ...clock, judged: 'melted' })?.tone).toBe('warn')
})

test('the outbox in words', () => {
  expect([0, 1, 1200].map((pending) => waiting({ pending }))).toEqual([
    'nothing waits for the controller',
    '1 item waits for the controller',
    '1,200 items wait for the controller',
  ])
  expect(waiting({ pending: 1, pending_bytes: 1536 })).toBe('1 item (1.5 KiB) waits for the controller')
  expect(waiting({ pending: 0, pending_bytes: 64 })).toBe('nothing waits for the controller')
})

test('what is known to be exploited comes first, and nothing else moves', () => {
  const of = [
    { id: 'a' },
    { id: 'b', known_exploited: true },
    { id: 'c', known_exploited: false },
    { id: 'd', known_exploited: true },
  ]
  expect(exploitedFirst(of).map((x) => x.id)).toEqual(['b', 'd', 'a', 'c'])
  expect(of[0]!.id).toBe('a')
})
