import { expect, test } from 'vitest'
import { held, shortSpan } from './rule'

test('lengths lose their noughts and nothing else', () => {
  expect(['15m0s', '1h0m0s', '0s', '10m30s', '1h30m0s', '20s', '1h0m5s', undefined].map(shortSpan)).toEqual([
    '15m',
    '1h',
    '',
    '10m30s',
    '1h30m',
    '20s',
    '1h5s',
    '',
  ])
  expect(held({ for: '10m0s', clear: '0s' })).toBe('after 10m, at once')
})
