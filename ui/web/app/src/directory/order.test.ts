import { expect, test } from 'vitest'
import type { Host } from '../api/types'
import { clicked, moves, notable, readOrder, writeOrder } from './order'

test('an order is read as it is written', () => {
  for (const text of ['-name', 'seen', '-cve:critical', undefined]) expect(writeOrder(readOrder(text))).toBe(text)
  expect(readOrder('')).toEqual({ field: 'name', down: false })
  expect(writeOrder({ field: 'name', down: false })).toBeUndefined()
})

test('a second click turns the order round', () => {
  const first = clicked(readOrder(''), 'updates', 'down')
  expect(first).toEqual({ field: 'updates', down: true })
  expect(clicked(first, 'updates', 'down')).toEqual({ field: 'updates', down: false })
  expect(clicked(first, 'site', 'up')).toEqual({ field: 'site', down: false })
})

const host = (more: object) =>
  ({ id: 'a', hostname: 'a', status: 'up', os: {}, exposure: {}, as_of: {}, ...more }) as unknown as Host

test('a row moves when what it is ordered by changes', () => {
  expect(moves(readOrder('status'), host({}), host({ status: 'down' }))).toBe(true)
  expect(moves(readOrder('name'), host({}), host({ status: 'down' }))).toBe(false)
  expect(moves(readOrder('name'), host({}), host({ hostname: 'A' }))).toBe(false)
  expect(moves(readOrder('-seen'), host({}), host({ last_seen: 'x' }))).toBe(false)
})

test('that a host was heard of again is nothing to mark', () => {
  expect(notable(host({ last_seen: 'x', as_of: { status: 'x' } }))).toBe(notable(host({ last_seen: 'y' })))
  expect(notable(host({ status: 'late' }))).not.toBe(notable(host({})))
})
