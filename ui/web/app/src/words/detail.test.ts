import { expect, test } from 'vitest'
import { expiry, heldWords, hostTab, kindWords, outcomeWords, resultSearch } from './detail'

const now = Date.parse('2026-11-21T22:05:00Z')
const ahead = (days: number) => new Date(now + days * 86_400_000).toISOString()

test('a certificate is good only for longer than a month', () => {
  expect([-3, 0, 3, 29.9, 31].map((d) => expiry(ahead(d), now).tone)).toEqual(['bad', 'bad', 'warn', 'warn', 'ok'])
  expect(expiry(ahead(-3), now).word).toBe('Expired 3 days ago')
  expect(expiry('soon', now).tone).toBe('none')
})

test('addresses hold what there is, and nothing else', () => {
  const none = { tab: undefined, kind: undefined, from: undefined, to: undefined }
  expect(hostTab({ tab: 'history', kind: 'facts', from: '3', to: '12' })).toEqual({
    tab: 'history',
    kind: 'facts',
    from: '3',
    to: '12',
  })
  expect(hostTab({ tab: 'secrets', kind: 'dogs', from: '-1', to: 'x' })).toEqual(none)
  expect(resultSearch({ site: ' oslo ', all: 'no' })).toEqual({ site: 'oslo', host: undefined, all: undefined })
})

test('what is not known is neither met nor held', () => {
  expect(['met', 'failed', 'unknown', 'eaten'].map((o) => outcomeWords(o).tone)).toEqual(['ok', 'bad', 'none', 'none'])
  expect(['current', 'stale', 'missing', 'extra', 'unknown', 'x'].map((s) => heldWords(s).tone)).toEqual([
    'ok',
    'warn',
    'warn',
    'warn',
    'none',
    'none',
  ])
  expect(kindWords('update_profile')).toBe('Update profile')
})
