import { expect, test } from 'vitest'
import type { Canonical } from '../api/types'
import { severityNote, takenBack } from './withdrawn'

const of = (withdrawn: string | undefined, ...records: [source: string, withdrawn?: string][]) =>
  takenBack({
    withdrawn,
    records: records.map(([source, at]) => ({ source, id: 'CVE-1', withdrawn: at }) as never),
    members: records.map(
      ([source]) => ({ source, id: 'CVE-1', reason: source === 'epss' ? 'fact' : 'self' }) as never,
    ) as Canonical['members'],
  })

test('what was taken back is said with by whom, and what that means for hosts', () => {
  expect(of(undefined, ['nvd'], ['ghsa'])).toBeUndefined()
  expect(of('2026-11-20T00:00:00Z', ['nvd', '2026-11-20T00:00:00Z'], ['ghsa', '2026-11-19T00:00:00Z'])).toEqual({
    all: true,
    title: 'Withdrawn on 20 Nov 2026',
    text: 'nvd/CVE-1 was rejected on 20 Nov 2026; ghsa/CVE-1 was withdrawn on 19 Nov 2026. No host is matched with it any more, and its findings are closed.',
  })
  expect(of(undefined, ['nvd', '2026-11-20T00:00:00Z'], ['ghsa'])).toMatchObject({
    all: false,
    text: 'nvd/CVE-1 was rejected on 20 Nov 2026. What the others say counts.',
  })
  // A list of facts that dropped it took nothing back.
  expect(of(undefined, ['epss', '2026-11-20T00:00:00Z'], ['ghsa'])).toBeUndefined()
})

test('unrated is not harmless', () => {
  expect(severityNote('unknown')).toMatch(/does not mean/)
  expect(severityNote('none')).toBe('rated to have no effect')
  expect(severityNote('high')).toBeUndefined()
})
