import { expect, test } from 'vitest'
import { joined } from './files'

test('of several tables the head is kept once', () => {
  expect(joined(['name\na\n', 'name\nb\n'], 'csv')).toBe('name\na\nb\n')
  expect(joined(['{"a":1}\n', '{"a":2}\n'], 'ndjson')).toBe('{"a":1}\n{"a":2}\n')
})
