import { expect, test } from 'vitest'
import { flipped, hostSearch, listOf, parseQuery, plainPath, writeQuery } from './search'

const empty = { q: undefined, sort: undefined, cols: undefined, host: undefined, shut: undefined, more: undefined }

test('an address comes back as it was written', () => {
  const search = {
    q: 'status:down,late & "co" (10.64.0.0/16 or name:*db*) +1',
    sort: '-cve:critical',
    cols: 'name,status,critical',
    host: 'x',
    shut: 'os,site',
    more: 'tag',
  }
  expect(hostSearch(parseQuery(writeQuery(search)))).toEqual(search)
  expect(writeQuery({ q: 'status:down,late' })).toBe('?q=status:down,late')
})

test('numbers stay text', () => {
  expect(hostSearch(parseQuery('?q=0017'))).toEqual({ ...empty, q: '0017' })
})

test('what is strange is left out', () => {
  expect(hostSearch({ q: '  ', sort: 'a b', cols: '<b>', host: '', shut: 7, more: 'x"' })).toStrictEqual(empty)
  expect(hostSearch({ q: 'a'.repeat(5000) }).q).toHaveLength(4096)
  expect(writeQuery({ q: '', sort: undefined, cols: null })).toBe('')
})

test('lists', () => {
  expect(listOf('a,b,,a')).toEqual(['a', 'b'])
  expect(listOf(undefined)).toEqual([])
  expect(flipped('a,b', 'b')).toBe('a')
  expect(flipped('a', 'b')).toBe('a,b')
  expect(flipped('a', 'a')).toBeUndefined()
})

test('a path keeps what may stand in it', () => {
  const path = (id: string) => plainPath(`/advisories/${encodeURIComponent(id)}`)
  expect(path('sha256:ab')).toBe('/advisories/sha256:ab')
  expect(path('ALSA-2026:1')).toBe('/advisories/ALSA-2026:1')
  expect(path('a b/c?d#e%3A')).toBe('/advisories/a%20b%2Fc%3Fd%23e%253A')
})
