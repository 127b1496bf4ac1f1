import { expect, test } from 'vitest'
import { hostSearch, parseQuery, writeQuery } from './search'

test('an address comes back as it was written', () => {
  const search = {
    q: '10.64 & co',
    site: 'oslo',
    status: 'down' as const,
    after: '0130deb4-c947-8607-a061-356ba3f50ee4',
    host: 'x',
  }
  expect(hostSearch(parseQuery(writeQuery(search)))).toEqual(search)
})

test('numbers stay text', () => {
  expect(hostSearch(parseQuery('?q=0017'))).toEqual({ q: '0017' })
})

test('what is strange is left out', () => {
  const none = { q: undefined, site: undefined, status: undefined, after: undefined, host: undefined }
  expect(hostSearch({ q: '  ', site: 7, status: 'asleep', host: '', more: 'x' })).toStrictEqual(none)
  expect(hostSearch({ q: 'a'.repeat(300) }).q).toHaveLength(256)
  expect(writeQuery({ q: '', site: undefined, status: null })).toBe('')
})
