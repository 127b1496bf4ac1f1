import { expect, test } from 'vitest'
import type { AdvisorySource } from '../api/types'
import { edition, everyWords, fetchOutcome, progress } from './sources'

const source = (more: Partial<AdvisorySource> = {}): AdvisorySource => ({
  name: 'debian',
  kind: 'osv',
  from: '/srv/mirror',
  every_seconds: 3600,
  state: 'current',
  read: 0,
  created: 0,
  updated: 0,
  deleted: 0,
  malformed_n: 0,
  ...more,
})

test('an edition says what it did, and none is not an empty one', () => {
  expect(edition(source())).toBeUndefined()
  expect(edition(source({ read: 1204, created: 3, updated: 12, deleted: 1 }))).toBe(
    '1,204 records read: 3 new, 12 changed, 1 gone',
  )
  expect(edition(source({ read: 1 }))).toBe('1 record read: nothing was new')
  expect(everyWords(21600)).toBe('every 6 h')
  expect(everyWords(0)).toBe('when there is something new')
})

test('progress is a share only where the whole is known', () => {
  expect(progress(source())).toBeUndefined()
  expect(progress(source({ state: 'running' }))).toEqual({ words: 'asking for it' })
  expect(progress(source({ state: 'running', have_bytes: 2048 }))).toEqual({ words: '2.0 KiB so far' })
  expect(progress(source({ state: 'running', have_bytes: 512, size_bytes: 2048 }))).toEqual({
    share: 0.25,
    words: '512 bytes of 2.0 KiB',
  })
})

test('what came of a fetch is never said before it came', () => {
  const was = source({ checked_at: '2026-11-22T10:00:00Z', changed_at: '2026-11-22T09:00:00Z' })
  const at = (is: Partial<AdvisorySource>, now = 1000) => {
    const o = fetchOutcome(was, { ...was, ...is }, 0, now)
    return `${o.said.tone} ${o.said.word}${o.said.reason ? `: ${o.said.reason}` : ''}${o.done ? '.' : ''}`
  }
  expect(at({})).toBe('none Asked for')
  expect(at({}, 25_000)).toBe('none It was asked for, and waits for its turn.')
  expect(at({ state: 'running' }, 25_000)).toBe('none Being fetched')
  expect(at({ checked_at: '2026-11-22T10:05:00Z' })).toBe('ok Fetched: it has nothing new.')
  expect(at({ checked_at: '2026-11-22T10:05:00Z', changed_at: '2026-11-22T10:05:00Z', read: 2, created: 1 })).toBe(
    'ok Fetched: 2 records read: 1 new.',
  )
  expect(at({ state: 'failing', failed_at: '2026-11-22T10:05:00Z', reason: 'no such file' })).toBe(
    'bad It was not fetched: No such file.',
  )
})
