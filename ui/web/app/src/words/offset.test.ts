import { expect, test } from 'vitest'
import { clockOffset, freshFor, isFresh } from './offset'

const now = Date.parse('2026-11-21T22:05:00Z')
const header = (ms: number) => new Date(now + ms).toUTCString()

test('a clock that agrees is left alone', () => {
  expect(clockOffset(header(0), now, 0)).toBe(0)
  expect(clockOffset(header(-1000), now + 900, 0)).toBe(0)
})

test('a clock that is far off is corrected, and the correction does not jitter', () => {
  const first = clockOffset(header(600_000), now, 0)
  expect(first).toBe(600_500)
  expect(clockOffset(header(601_000), now, first)).toBe(first)
  expect(clockOffset(header(0), now, first)).toBe(0)
})

test('an answer without a date changes nothing', () => {
  expect(clockOffset(null, now, 7)).toBe(7)
  expect(clockOffset('yesterday', now, 7)).toBe(7)
})

test('an answer is of now until it is too old, and never when the last request failed', () => {
  expect(isFresh(now, false, now)).toBe(true)
  expect(isFresh(now, false, now + freshFor - 1)).toBe(true)
  expect(isFresh(now, false, now + freshFor)).toBe(false)
  expect(isFresh(now, true, now)).toBe(false)
  expect(isFresh(0, false, now)).toBe(false)
})
