import { expect, test } from 'vitest'
import { lineOf, pathOf, valueAt } from './trend'

const points = [
  { at: 50, value: 4 },
  { at: 10, value: 2 },
  { at: 150, value: 8 },
]

test('what held before the window counts from its beginning', () => {
  expect(lineOf(points, 20, 100)).toEqual({
    first: 2,
    last: 4,
    low: 2,
    high: 4,
    points: [
      { at: 20, value: 2 },
      { at: 50, value: 4 },
    ],
  })
  expect(lineOf(points, 200, 300)).toMatchObject({ first: 8, last: 8 })
  expect(lineOf([], 0, 100)).toBeUndefined()
  expect(lineOf([{ at: NaN, value: 1 }], 0, 100)).toBeUndefined()
})

test('a line is level until it steps', () => {
  expect(pathOf(lineOf(points, 0, 200)!, 0, 200, 100, 30)).toBe('M5 30H25V20H75V0H100')
  expect(pathOf(lineOf([{ at: 0, value: 7 }], 0, 200)!, 0, 200, 100, 30)).toBe('M0 15H100')
})

test('the value at a time', () => {
  const line = lineOf(points, 0, 200)!
  expect(valueAt(line, 5)).toBeUndefined()
  expect(valueAt(line, 49)).toBe(2)
  expect(valueAt(line, 200)).toBe(8)
})
