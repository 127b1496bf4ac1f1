import { describe, expect, test } from 'vitest'
import { absolute, ago, instant, localTimes, moment, span } from './time'

const now = Date.parse('2026-11-21T22:05:00Z')
const before = (s: number) => now - s * 1000

describe('ago', () => {
  test.each([
    [0, 'just now'],
    [1.9, 'just now'],
    [-1.9, 'just now'],
    [2, '2 s ago'],
    [59.9, '59 s ago'],
    [60, '1 min ago'],
    [3599, '59 min ago'],
    [3600, '1 h ago'],
    [47 * 3600, '47 h ago'],
    [48 * 3600, '2 days ago'],
    [400 * 86400, '400 days ago'],
    [-90, 'in 1 min'],
    [-86400 * 30, 'in 30 days'],
  ])('%d s', (s, want) => expect(ago(before(s), now)).toBe(want))
})

describe('span', () => {
  test.each([
    [-5, '0 s'],
    [0, '0 s'],
    [59, '59 s'],
    [61, '1 min'],
    [3600, '1 h'],
    [3600 + 12 * 60, '1 h 12 min'],
    [86400, '1 day'],
    [86400 + 7200, '1 day 2 h'],
    [3 * 86400, '3 days'],
    [30 * 86400 + 7200, '30 days'],
  ])('%d s', (s, want) => expect(span(s * 1000)).toBe(want))
})

test('an instant that is absent or no time is undefined, not 1970', () => {
  expect(instant(undefined)).toBeUndefined()
  expect(instant(null)).toBeUndefined()
  expect(instant('')).toBeUndefined()
  expect(instant('soon')).toBeUndefined()
  expect(instant('2026-11-21T22:05:00.123456789Z')).toBe(now + 123)
})

test('the full form ends in UTC', () => {
  expect(absolute(now + 123)).toMatch(/2026, .* · 2026-11-21T22:05:00Z$/)
})

test("times in a sentence of the server are put on the reader's clock, and nothing else is touched", () => {
  expect(localTimes('its link has been down since 2026-11-21T22:05:00Z; what is shown is of before')).toBe(
    `its link has been down since ${moment(now)}; what is shown is of before`,
  )
  expect(localTimes('3 of 5 hosts do not report')).toBe('3 of 5 hosts do not report')
})
