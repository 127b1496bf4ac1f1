import { expect, test } from 'vitest'
import type { Advisory, AdvisorySource, Canonical } from '../api/types'
import {
  advisorySearch,
  asked,
  attacks,
  cursorTime,
  day,
  fieldValue,
  fieldWords,
  isIdentifier,
  isMergeHash,
  packagesByEcosystem,
  percent,
  percentileWords,
  otherNames,
  saidWords,
  sourceState,
} from './advisories'

test('an address holds a search that can be made, and nothing else', () => {
  expect(advisorySearch({ q: ' runc ', severity: 'high', known: 'yes', withdrawn: 'only', changed: '7d' })).toEqual({
    q: 'runc',
    severity: 'high',
    source: undefined,
    known: 'yes',
    withdrawn: 'only',
    changed: '7d',
  })
  expect(
    advisorySearch({ q: '', severity: 'worst', known: 'no', withdrawn: 'include', changed: '8d', x: 'y' }),
  ).toEqual(advisorySearch({}))
  expect(asked({ q: 'pkg:npm/express@4.0.0' })).toMatchObject({ q: undefined, purl: 'pkg:npm/express@4.0.0' })
  expect(asked({ q: 'express', known: 'yes' })).toMatchObject({ q: 'express', purl: undefined, known_exploited: true })
  expect(asked({}).known_exploited).toBeUndefined()
})

test('identifiers are told from words', () => {
  for (const id of ['CVE-2024-1234', 'ghsa-v95c-p5hm-xq8f', 'ALSA-2026:10135', 'GO-2022-0274', 'DEBCL-runc-CVE-2021-1'])
    expect(isIdentifier(id), id).toBe(true)
  for (const words of ['runc', 'rapid reset', 'use-after-free', 'pkg:npm/express@4.0.0', 'http/2', '2024'])
    expect(isIdentifier(words), words).toBe(false)
  expect(isMergeHash(`sha256:${'a1'.repeat(32)}`)).toBe(true)
  expect(isMergeHash('sha256:a1')).toBe(false)
})

test.each([
  [0, '0 %'],
  [0.00042, 'under 0.1 %'],
  [0.0312, '3.1 %'],
  [0.02, '2 %'],
  [0.0996, '10 %'],
  [0.21, '21 %'],
  [0.94431, '94 %'],
  [0.9996, 'over 99 %'],
  [1, '100 %'],
])('a probability of %f is %s', (p, said) => expect(percent(p)).toBe(said))

test.each([
  [0.12, 'higher than 12 % of all that are scored'],
  [0.86, 'among the highest 14 % of all that are scored'],
  [0.95, 'among the highest 5 % of all that are scored'],
  [0.99984, 'among the highest 0.1 % of all that are scored'],
  [1, 'among the highest 0.1 % of all that are scored'],
])('a percentile of %f is %s', (p, said) => expect(percentileWords(p)).toBe(said))

test('fields are said for people', () => {
  expect(fieldWords('known_exploited')).toBe('Known exploited')
  expect(fieldWords('summary')).toBe('Summary')
  expect(fieldValue('severity', 'medium CVSS:3.1/AV:N')).toBe('Medium CVSS:3.1/AV:N')
  expect(fieldValue('severity', 'unknown')).toBe('Unrated')
  expect(fieldValue('published', '2021-12-06T00:00:00.000Z')).toBe('6 Dec 2021')
  expect(fieldValue('withdrawn', 'in force')).toBe('In force')
  expect(fieldValue('withdrawn', '2024-02-03T10:00:00.000Z')).toBe('Withdrawn on 3 Feb 2024')
  expect(fieldValue('known_exploited', '2023-10-10, to be mended by 2023-10-31, used by ransomware')).toBe(
    'Since 10 Oct 2023, to be mended by 31 Oct 2023, used by ransomware',
  )
  expect(fieldValue('probability', '0.94431 on 2026-11-20')).toBe('94 % on 20 Nov 2026')
  expect(fieldValue('cwes', 'CWE-400')).toBe('CWE-400')
  expect(day('2023-10-10T00:00:00Z')).toBe('10 Oct 2023')
  expect(day(undefined)).toBeUndefined()
  expect(cursorTime('2026-11-22T13:22:04.489Z#16595')).toBe(Date.parse('2026-11-22T13:22:04.489Z'))
  expect(cursorTime('')).toBeUndefined()
})

test('what is known of attacks is gathered from the records', () => {
  const c = {
    known_exploited: '2023-10-10T00:00:00Z',
    records: [{}, { exploit: { due: '2023-10-31T00:00:00Z', ransomware: true } }],
  }
  expect(attacks(c as Canonical)).toEqual({
    known: Date.parse('2023-10-10T00:00:00Z'),
    due: Date.parse('2023-10-31T00:00:00Z'),
    ransomware: true,
    percentile: undefined,
  })
  expect(attacks({ records: null } as Canonical)).toMatchObject({ known: undefined, ransomware: false })
})

test('packages stand with who speaks for them, and outsiders behind', () => {
  const record = (source: string, affects: Advisory['affected']) =>
    ({ source, id: 'X-1', affected: affects }) as Advisory
  const groups = packagesByEcosystem(
    [
      record('cleanstart', [{ ecosystem: 'Alpine:v3.1', package: 'zlib', ranges: ['>= 0'], outside: true }]),
      record('go', [
        { ecosystem: 'Go', package: 'runc', ranges: ['>= 1.0, < 1.1', '>= 0, < 0.9'] },
        { ecosystem: 'Go', package: 'old', versions: ['1', '2', '3', '4', '5', '6', '7'] },
        { ecosystem: 'Go', package: 'all' },
      ]),
    ],
    [{ ecosystem: 'Go', from: 'go/X-1', severity: 'high', said: [] }],
  )
  expect(groups.map((g) => [g.ecosystem, g.speaker, g.severity])).toEqual([
    ['Go', 'go/X-1', 'high'],
    ['Alpine', undefined, undefined],
  ])
  expect(groups[0]!.rows.map((r) => r.vulnerable)).toEqual([
    '>= 1.0, < 1.1; < 0.9',
    '1, 2, 3, 4, 5, 6 and 1 more',
    'no versions named',
  ])
  expect(groups[1]!.rows[0]).toMatchObject({
    outside: true,
    from: 'cleanstart/X-1',
    vulnerable: 'every version so far',
  })
})

test('a source is current only where it is known to be', () => {
  const s = { kind: 'controller', state: 'current', age_seconds: 20 } as AdvisorySource
  expect(sourceState(s)).toMatchObject({ tone: 'ok', word: 'Level with its controller' })
  expect(sourceState({ ...s, state: 'behind', behind_n: 12 })).toMatchObject({
    tone: 'warn',
    word: 'Behind its controller by 12 changes at most',
  })
  expect(sourceState({ ...s, state: 'old', age_seconds: 3 * 3600 }).word).toBe('Not level with its controller for 3 h')
  expect(sourceState({ ...s, kind: 'osv', state: 'failing', reason: 'the mirror is away' })).toMatchObject({
    tone: 'warn',
    reason: 'The mirror is away',
  })
  expect(sourceState({ ...s, kind: 'osv', warning: 'some of it is outside' }).tone).toBe('warn')
  for (const state of ['never', 'elsewhere', 'running', 'other'] as AdvisorySource['state'][])
    expect(sourceState({ ...s, state }).tone, state).toBe('none')
})

test('only what contradicts is a difference', () => {
  const words = (name: string, differs: boolean, agrees: boolean, withdrawn = false) =>
    saidWords({ name, differs }, { agrees, withdrawn }).word
  expect(words('severity', true, true)).toBe('Agrees')
  expect(words('severity', true, false)).toBe('Differs')
  expect(words('severity', true, false, true)).toBe('Withdrawn')
  expect(words('withdrawn', true, false, true)).toBe('Differs')
  expect(words('summary', false, false)).toBe('In its own words')
  expect(words('cvss', false, false)).toBe('Not to be compared')
})

test('the entry of a catalog is no name of a vulnerability', () => {
  const members = [
    { source: 'epss', id: 'EPSS-CVE-1', reason: 'fact' as const },
    { source: 'golang', id: 'GO-1', reason: 'alias' as const },
  ]
  expect(otherNames({ aliases: ['EPSS-CVE-1', 'GHSA-1', 'GO-1'], members })).toEqual(['GHSA-1', 'GO-1'])
  expect(otherNames({ aliases: null, members: null })).toEqual([])
})
