import { expect, test } from 'vitest'
import {
  acceptance,
  acceptanceState,
  acceptSearch,
  changeCounts,
  changeReason,
  changeSearch,
  changeTimes,
  changeWords,
  coveredWords,
  endOfDay,
  scopeQuery,
} from './exposure'

const now = Date.parse('2026-11-22T12:00:00Z')

test('an address begins an acceptance only with a vulnerability', () => {
  expect(acceptSearch({ accept: 'CVE-2024-3094', package: 'xz-utils', host: 'id', name: 'web-1' })).toEqual({
    accept: 'CVE-2024-3094',
    package: 'xz-utils',
    host: 'id',
    name: 'web-1',
  })
  expect(acceptSearch({ package: 'xz-utils', host: 'id', name: 'web-1', accept: 7 })).toEqual({})
  expect(acceptSearch({ accept: 'CVE-2024-3094', name: 'web-1' }).name).toBeUndefined()
})

test('a scope is a search that finds those hosts', () => {
  expect(scopeQuery('all', 'left over')).toBeUndefined()
  expect(scopeQuery('host', ' web-1 ')).toBe('name:web-1')
  expect(scopeQuery('tag', 'in the lab')).toBe('tag:"in the lab"')
  expect(scopeQuery('site', 'berlin')).toBe('site:berlin')
  expect(scopeQuery('search', 'os:debian<12 -tag:lab')).toBe('os:debian<12 -tag:lab')
  expect(acceptance(' CVE-2024-3094 ', ' ', undefined, ' no route ', '90d')).toEqual({
    vulnerability: 'CVE-2024-3094',
    reason: 'no route',
    until: '90d',
  })
})

test('a day ends when the next one begins, and what is no day does not', () => {
  expect(Date.parse(endOfDay('2026-12-31')!)).toBe(new Date(2027, 0, 1).getTime())
  expect(endOfDay('2026-02-30')).toBeUndefined()
  expect(endOfDay('soon')).toBeUndefined()
})

test('an acceptance that nobody may have made is never active', () => {
  const a = { until: '2026-11-24T12:00:00Z' }
  expect(acceptanceState({ ...a, state: 'active' }, now)).toEqual({ tone: 'ok', word: 'Active for 2 days more' })
  expect(acceptanceState({ state: 'ended', until: '2026-11-21T12:00:00Z' }, now).word).toBe('Ended 1 day ago')
  expect(acceptanceState({ ...a, state: 'invalid', flaw: 'no trusted key signed it' }, now)).toEqual({
    tone: 'bad',
    word: 'Counts for nothing',
    reason: 'No trusted key signed it',
  })
  expect(coveredWords({ findings: 3, hosts: 1 })).toBe('It covers 3 findings on 1 host here')
  expect(coveredWords({ findings: 0, hosts: 0 })).toBe('It covers no finding here now')
  expect(coveredWords({ findings: 5000, hosts: 20, more: true })).toBe(
    'It covers at least 5,000 findings on 20 hosts here',
  )
  expect(coveredWords(undefined)).toMatch(/^Its sites take it over/)
})

test('an address of changes has a span or two days in their order', () => {
  expect(changeSearch({ since: '7d', host: 'web-1' })).toMatchObject({ since: '7d', host: 'web-1' })
  expect(changeSearch({ since: '8d' }).since).toBeUndefined()
  expect(changeSearch({ since: '7d', from: '2026-11-01', to: '2026-11-08' })).toMatchObject({
    since: undefined,
    from: '2026-11-01',
    to: '2026-11-08',
  })
  expect(changeSearch({ from: '2026-11-08', to: '2026-11-01' })).toMatchObject({ from: '2026-11-08', to: undefined })
  expect(changeTimes({}, now)).toBeUndefined()
  expect(changeTimes({ since: '30d' }, now)).toEqual({ from: '30d' })
  expect(changeTimes({ from: '2026-11-01', to: '2026-11-08' }, now)).toEqual({
    from: new Date(2026, 10, 1).toISOString(),
    to: new Date(2026, 10, 9).toISOString(),
  })
  // A day that is not over is until now, and one that has not come is none.
  expect(changeTimes({ from: '2026-11-01', to: '2026-12-01' }, now)?.to).toBeUndefined()
  expect(changeTimes({ from: '2026-12-01' }, now)).toBeUndefined()
})

test('what opened or closed is said with its reason', () => {
  expect(changeWords({ change: 'opened', why: 'advisory published' }).tone).toBe('bad')
  expect(changeWords({ change: 'closed', why: 'package upgraded' }).tone).toBe('ok')
  expect(changeWords({ change: 'closed', why: 'risk accepted' }).tone).toBe('none')
  expect(changeReason({ why: 'package upgraded', from_version: '1.0', to_version: '1.1' })).toBe(
    'Package upgraded from 1.0 to 1.1',
  )
  expect(changeReason({ why: 'vex statement' })).toBe('A statement (VEX)')
  expect(changeReason({ why: 'package removed', from_version: '1.0' })).toBe('Package removed: 1.0')
  expect(changeCounts([{ change: 'opened' }, { change: 'closed' }, { change: 'opened' }])).toBe('2 opened · 1 closed')
  expect(changeCounts([{ change: 'opened' }], 12)).toBe('of those that are here, 1 opened · 0 closed')
})
