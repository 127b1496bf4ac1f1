import { expect, test } from 'vitest'
import { boundsOf, lineOf, pathOf, valueAt, type Point } from './trend'

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
  const draw = (points: Point[]) => {
    const line = lineOf(points, 0, 200)!
    return pathOf(line, boundsOf(line), 0, 200, 100, 40)
  }
  expect(draw(points)).toBe('M5 30H25V20H75V0H100')
  // What is always nought lies on the ground, and what is always one does not.
  expect(draw([{ at: 0, value: 0 }])).toBe('M0 40H100')
  expect(draw([{ at: 0, value: 1 }])).toBe('M0 0H100')
})

test('a line begins at nought unless it would hardly be seen to move', () => {
  const bounds = (...values: number[]) =>
    boundsOf(
      lineOf(
        values.map((value, at) => ({ at, value })),
        0,
        10,
      )!,
    )
  expect(bounds(0, 0)).toEqual({ bottom: 0, top: 1 })
  expect(bounds(0, 1)).toEqual({ bottom: 0, top: 1 })
  expect(bounds(60)).toEqual({ bottom: 0, top: 60 })
  expect(bounds(30, 60)).toEqual({ bottom: 0, top: 60 })
  expect(bounds(59, 60)).toEqual({ bottom: 59, top: 60 })
})

test('the value at a time', () => {
  const line = lineOf(points, 0, 200)!
  expect(valueAt(line, 5)).toBeUndefined()
  expect(valueAt(line, 49)).toBe(2)
  expect(valueAt(line, 200)).toBe(8)
})
