import { expect, test } from 'vitest'
import { type Kind, questionSearch, remarks } from './questions'

test('an address holds a question that can be asked, and nothing else', () => {
  expect(questionSearch({ name: ' openssl ', op: 'lt', version: '3.0', site: 'oslo', days: '30' })).toMatchObject({
    name: 'openssl',
    op: 'lt',
    version: '3.0',
    site: 'oslo',
    days: '30',
  })
  expect(questionSearch({ name: 'openssl', op: 'lt' }).op).toBeUndefined()
  expect(questionSearch({ name: 'openssl', version: '3' }).version).toBeUndefined()
  expect(questionSearch({ name: 'openssl', op: 'like', version: '3' })).toMatchObject({
    op: undefined,
    version: undefined,
  })
  expect(questionSearch({ ask: 'certificates', days: '-1', ahead: 'no' })).toMatchObject({
    ask: 'certificates',
    days: undefined,
    ahead: undefined,
  })
})

test('what is missing from an answer is said once', () => {
  expect(remarks({ answered_n: 1, partial_n: 0, answered: [{ site: 'oslo' }] }, 'packages')).toEqual([])
  const simulated = Array.from({ length: 7 }, (_, i) => ({ site: `s${i}`, lacking: 10, note: 'holds none' }))
  expect(
    remarks(
      { answered_n: 9, partial_n: 1, answered: [...simulated, { site: 'oslo', lacking: 1200, unordered: 2 }] },
      'packages',
    ),
  ).toEqual([
    's0, s1, s2, s3, s4 and 2 more: holds none.',
    '1,200 hosts have not reported their packages, or their lists cannot be read.',
    '2 packages of that name are left out: their versions cannot be compared with this one.',
  ])
  expect(remarks({ answered_n: 0, partial_n: 3, answered: null }, 'findings')).toEqual([])
})

test('what a site cannot say of hosts is said by what it was asked', () => {
  const of = (lacking: number, kind: Kind) =>
    remarks({ answered_n: 1, partial_n: 0, answered: [{ site: 'oslo', lacking, unordered: lacking }] }, kind)
  expect(of(1, 'packages')).toEqual([
    '1 host has not reported its packages, or its list cannot be read.',
    '1 package of that name is left out: its version cannot be compared with this one.',
  ])
  expect(of(2, 'certificates')[0]).toBe('2 hosts have not reported their certificates, or their lists cannot be read.')
  expect(of(1, 'findings')[0]).toBe('1 host has not been matched with advisories.')
  expect(of(3, 'changes')[0]).toBe('3 hosts are left out: what was installed on them at both times is not known.')
})
