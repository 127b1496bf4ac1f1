import { expect, test } from 'vitest'
import type { AuditEntry } from '../api/types'
import {
  bundleSearch,
  conflictValue,
  conflictWayWords,
  countRows,
  findingsWords,
  importMarks,
  importWords,
  keyState,
  lately,
  latelyWords,
  partnerState,
  policyWords,
  purposeWords,
  shortHash,
} from './bundles'

const now = Date.parse('2026-11-22T12:00:00Z')
const counts = {
  canonical_created: 0,
  canonical_updated: 0,
  canonical_skipped: 0,
  edges_added: 0,
  deletions_processed: 0,
  advisories_created: 0,
  advisories_updated: 0,
  advisories_skipped: 0,
}

test('an origin that nobody allowed is not merely disabled', () => {
  expect(partnerState({ status: 'enabled' })).toEqual({ tone: 'ok', word: 'Enabled' })
  expect(partnerState({ status: 'disabled', reason: 'imports of it are disabled here' })).toEqual({
    tone: 'none',
    word: 'Disabled',
    reason: 'Imports of it are disabled here',
  })
  expect(partnerState({ status: 'not_allowed' }).tone).toBe('warn')
  expect(policyWords({ policy: false })).toEqual(['as for everybody'])
  expect(policyWords({ policy: true })).toEqual(['every source', 'of any size that is taken'])
  expect(
    policyWords({ policy: true, allowed_sources: ['nvd', 'ghsa'], max_bundle_size: 104857600, skip_signature: true }),
  ).toEqual(['only nvd, ghsa', 'at most 100 MiB', 'also without a signature, where that is asked for'])
  expect(bundleSearch({ origin: ' hq ' })).toEqual({ origin: 'hq' })
  expect(bundleSearch({ origin: 7 }).origin).toBeUndefined()
})

test('a key that counts for nothing is never green', () => {
  expect(keyState({ state: 'active' }, now).tone).toBe('ok')
  expect(keyState({ state: 'retiring', retires_at: '2026-11-25T12:00:00Z' }, now)).toMatchObject({
    tone: 'warn',
    word: 'Retires in 3 days',
  })
  expect(keyState({ state: 'retired' }, now).tone).toBe('none')
  expect(keyState({ state: 'revoked' }, now).tone).toBe('bad')
  expect(purposeWords(['federation', 'acceptance'])).toBe('bundles, accepted risks')
  expect(purposeWords(null)).toBe('nothing')
  expect(shortHash('sha256:0123456789abcdef')).toBe('sha256:01234567…')
  expect(shortHash('abc')).toBe('abc')
})

test('what an import did is said in one line, and nothing new is said too', () => {
  expect(importWords(counts)).toBe('Nothing in it was new')
  expect(importWords({ ...counts, canonical_created: 1 })).toBe('Vulnerability: 1 new')
  expect(importWords({ ...counts, canonical_created: 1200, canonical_updated: 3, deletions_processed: 1 })).toBe(
    'Vulnerabilities: 1,200 new, 3 changed · 1 record deleted',
  )
  expect(countRows({ ...counts, advisories_skipped: 4 })[1]).toEqual(['Records', 0, 0, 4])
  expect(importMarks({ forced: true, unsigned: true }).map((m) => m.word)).toEqual([
    'Forced',
    'Signature not asked for',
  ])
  expect(importMarks({})).toEqual([])
  expect(conflictWayWords('', true)).toMatch(/not over the controller/)
  expect(conflictWayWords('', false)).toBe('The bundle wins (usual)')
})

test('what would come of it on hosts is said in numbers', () => {
  const f = { appear: 0, disappear: 0, hosts: [], host_n: 0, inventories: 4 }
  expect(findingsWords(f)).toBe('No finding of any host would appear or disappear')
  expect(findingsWords({ ...f, appear: 1, disappear: 2, host_n: 2 })).toBe(
    '1 finding would appear and 2 disappear, on 2 hosts',
  )
})

test('of the record of what was done, exports and refusals are told', () => {
  const e = (action: string, ok: boolean, more: Partial<AuditEntry> = {}): AuditEntry => ({
    seq: 1,
    at: '2026-11-22T10:00:00Z',
    actor: 'account:ann',
    action,
    ok,
    prev: '',
    ...more,
  })
  const all = [e('bundle.export', true), e('bundle.import', true), e('bundle.import', false), e('login', false)]
  expect(lately(all)).toEqual([all[0], all[2]])
  expect(lately(null)).toEqual([])
  expect(latelyWords(all[0]!).word).toBe('Exported')
  expect(latelyWords(e('bundle.export', true, { detail: { part: '2', of: '3' } })).word).toBe('Exported part 2 of 3')
  expect(latelyWords(e('bundle.import', false, { reason: 'site not allowed' }))).toEqual({
    tone: 'bad',
    word: 'Refused',
    reason: 'Site not allowed',
  })
})

test('what two sides say of a field is readable, and what was cut stays as it is', () => {
  const linux =
    '{"ecosystem":"Debian:12","name":"linux","ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"6.1"}]}]}'
  const xz = '{"ecosystem":"npm","name":"xz","versions":["1.0","1.1"]}'
  expect(conflictValue('affected', linux)).toBe('Debian:12 linux >= 0, < 6.1')
  expect(conflictValue('affected', `${linux}; ${xz}`)).toBe('Debian:12 linux >= 0, < 6.1; npm xz 1.0, 1.1')
  expect(conflictValue('affected', linux.slice(0, 40))).toBe(linux.slice(0, 40))
  expect(conflictValue('affected', '7')).toBe('7')
  expect(conflictValue('severity', 'unknown')).toBe('Unrated')
  expect(conflictValue('severity', 'CVSS:3.1/AV:N')).toBe('CVSS:3.1/AV:N')
  expect(conflictValue('withdrawn', '')).toBe('In force')
  expect(conflictValue('summary', '')).toBe('–')
})
