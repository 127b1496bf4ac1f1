import { expect, test } from 'vitest'
import { all, flip, idsPerQuery, mark, marked, markedN, noSelection, queriesOf } from './selection'

const host = (id: string) => ({ id, hostname: `host ${id}` })

test('marks are by id and outlive the search', () => {
  let s = flip(noSelection, 'status:down', host('a'))
  s = flip(s, 'os:debian', host('b'))
  expect(markedN(s)).toBe(2)
  expect(marked(s, 'anything', 'a')).toBe('yes')
  s = flip(s, '', host('a'))
  expect(marked(s, '', 'a')).toBe('no')
  expect(queriesOf(s)).toEqual(['id:b'])
  expect(queriesOf(noSelection)).toEqual([])
})

test('all that match is the search itself', () => {
  let s = all('status:down', 12_345)
  expect(markedN(s)).toBe(12_345)
  expect(queriesOf(s)).toEqual(['status:down'])
  expect(marked(s, 'status:down', 'x')).toBe('yes')
  expect(marked(s, 'os:debian', 'x')).toBe('unknown')
  expect(flip(s, 'os:debian', host('x'))).toBe(s)
  s = flip(flip(s, 'status:down', host('x')), 'status:down', host('y'))
  expect(markedN(s)).toBe(12_343)
  expect(marked(s, 'os:debian', 'x')).toBe('no')
  expect(queriesOf(s)).toEqual(['(status:down) -id:x,y'])
  expect(queriesOf(flip(s, 'status:down', host('y')))).toEqual(['(status:down) -id:x'])
  expect(queriesOf(flip(all('', 5), '', host('x')))).toEqual(['-id:x'])
})

test('what does not fit into one search is asked in several', () => {
  let s = noSelection
  for (let i = 0; i < 2 * idsPerQuery + 1; i++) s = flip(s, '', host(`h${i}`))
  const asked = queriesOf(s)
  expect(asked).toHaveLength(3)
  expect(asked.flatMap((q) => q.slice(3).split(','))).toHaveLength(2 * idsPerQuery + 1)
  let a = all('', 1000)
  for (let i = 0; i < idsPerQuery + 5; i++) a = flip(a, '', host(`h${i}`))
  expect(markedN(a)).toBe(1000 - idsPerQuery)
})

test('many are marked at one stroke, and taken back at one', () => {
  const ten = Array.from({ length: 10 }, (_, i) => host(`h${i}`))
  let s = mark(flip(noSelection, '', host('h3')), '', ten, true)
  expect(markedN(s)).toBe(10)
  s = mark(s, '', ten.slice(2, 5), false)
  expect(markedN(s)).toBe(7)
  expect(marked(s, '', 'h3')).toBe('no')
  const a = mark(all('up', 1000), 'up', ten, false)
  expect(markedN(a)).toBe(990)
  expect(markedN(mark(a, 'up', ten.slice(5), true))).toBe(995)
  // All or none of a stroke: a search could not say the rest.
  const many = Array.from({ length: idsPerQuery + 1 }, (_, i) => host(`h${i}`))
  expect(mark(a, 'up', many, false)).toBe(a)
  expect(mark(a, 'down', ten, true)).toBe(a)
})
