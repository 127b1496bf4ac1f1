import { expect, test } from 'vitest'
import { hostsByStanding, priority, standing } from './standing'

const affected = { verdict: 'affected', known_exploited: false, severity: 'medium' } as const

test('only what is known to be free is green', () => {
  expect(standing(affected)).toMatchObject({ tone: 'bad', word: 'Affected' })
  expect(standing({ verdict: 'unknown' })).toMatchObject({ tone: 'warn', word: 'Cannot be told' })
  expect(standing({ verdict: 'later' as never }).tone).toBe('warn')
  expect(standing({ verdict: 'suppressed', reason: 'code not present' })).toMatchObject({
    tone: 'ok',
    reason: 'Code not present',
  })
  const accepted = { id: 'a', by: 'ann', reason: 'isolated', until: '2026-12-01T12:00:00Z' }
  expect(standing({ ...affected, accepted })).toMatchObject({
    tone: 'none',
    word: 'Accepted',
    reason: 'ann, until 1 Dec 2026: isolated',
  })
  expect(
    hostsByStanding([
      { host_id: 'a', verdict: 'unknown' },
      { host_id: 'a', verdict: 'affected' },
      { host_id: 'b', verdict: 'affected' },
      { host_id: 'c', verdict: 'affected', accepted },
    ]),
  ).toBe('2 hosts affected · 1 host accepted')
  expect(hostsByStanding([])).toBe('')
})

test('what is exploited comes first, and what does not count comes last', () => {
  const accepted = { id: 'a', by: 'ann', reason: 'isolated', until: '2026-12-01T12:00:00Z' }
  const order = [
    { ...affected, known_exploited: true },
    { ...affected, severity: 'critical' as const },
    { ...affected, epss: 1 },
    { ...affected, epss: 0.2 },
    affected,
    { ...affected, severity: 'unknown' as const, epss: 1 },
    { ...affected, severity: 'critical' as const, known_exploited: true, accepted },
    { ...affected, verdict: 'suppressed' as const },
  ]
  expect([...order].reverse().sort((a, b) => priority(b) - priority(a))).toEqual(order)
})
