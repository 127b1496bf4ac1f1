import { expect, test } from 'vitest'
import { questionSearch, remarks } from './questions'

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
  expect(remarks({ answered_n: 1, partial_n: 0, answered: [{ site: 'oslo' }] })).toEqual([])
  const simulated = Array.from({ length: 7 }, (_, i) => ({ site: `s${i}`, lacking: 10, note: 'holds none' }))
  expect(
    remarks({ answered_n: 9, partial_n: 1, answered: [...simulated, { site: 'oslo', lacking: 1200, unordered: 2 }] }),
  ).toEqual([
    's0, s1, s2, s3, s4 and 2 more: holds none.',
    '1,200 hosts have not reported it, or it cannot be read.',
    '2 packages of that name are left out: their versions cannot be compared with this one.',
  ])
  expect(remarks({ answered_n: 0, partial_n: 3, answered: null })).toEqual([])
})
