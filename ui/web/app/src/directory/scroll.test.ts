import { expect, test } from 'vitest'
import { Scale, Scroller, tallest } from './scroll'

const million = () => new Scale(1_000_000, 36, 720)

test('a short list is scrolled as it is', () => {
  const s = new Scale(1000, 36, 720)
  expect(s.height).toBe(36_000)
  expect(s.scaled).toBe(false)
  for (const at of [0, 1, 777.5, 35_280]) expect(s.topOf(at)).toBe(at)
  expect(new Scale(3, 36, 720).lastTop).toBe(0)
  expect(new Scale(0, 36, 720).height).toBe(0)
})

test('a long one stays within what a browser draws, and both ends are reached', () => {
  const s = million()
  expect(s.height).toBe(tallest)
  expect(s.topOf(0)).toBe(0)
  expect(s.topOf(s.lastBar)).toBe(36_000_000 - 720)
  expect(s.topOf(500)).toBe(500)
  expect(s.topOf(s.lastBar - 500)).toBe(s.lastTop - 500)
  let before = -1
  for (let bar = 0; bar <= s.lastBar; bar += 9973) {
    const top = s.topOf(bar)
    expect(top).toBeGreaterThan(before)
    expect(s.barOf(top)).toBeCloseTo(bar, 5)
    before = top
  }
})

test('a turn of the wheel moves by what it says, anywhere', () => {
  const r = new Scroller(million())
  r.go(18_000_000)
  const bar = r.settle()
  r.moved(bar + 120)
  expect(r.top).toBe(18_000_120)
  r.moved(bar + 100)
  expect(r.top).toBe(18_000_100)
})

test('a pull of the bar goes to what the bar stands for', () => {
  const r = new Scroller(million())
  r.moved(r.scale.lastBar)
  expect(r.range(0).end).toBe(1_000_000)
  r.moved(0)
  expect(r.range(0)).toEqual({ first: 0, end: 20 })
  r.moved(r.scale.lastBar / 2)
  expect(r.range(0).first).toBeCloseTo(499_990, -1)
})

test('when it rests, nothing that is seen moves and there is always room to go on', () => {
  const r = new Scroller(million())
  let bar = r.go(2_000_000)
  // Far further than the bar's own distance to the upper end would allow without resting.
  for (let i = 0; i < 500; i++) {
    bar -= 4000
    r.moved(bar)
    const top = r.top
    bar = r.settle()
    expect(r.top).toBe(top)
    expect(r.top).toBe(Math.max(0, 2_000_000 - 4000 * (i + 1)))
  }
  expect(bar).toBe(0)
})

test('a row is revealed with the least movement', () => {
  const r = new Scroller(million())
  expect(r.reveal(5)).toBe(0)
  r.reveal(20)
  expect(r.top).toBe(36)
  r.reveal(999_999)
  expect(r.range(0).end).toBe(1_000_000)
  r.reveal(999_980)
  expect(r.range(0)).toEqual({ first: 999_980, end: 1_000_000 })
})

test('a list that shrinks leaves no view beyond its end', () => {
  const r = new Scroller(million())
  r.go(30_000_000)
  expect(r.resize(new Scale(100, 36, 720))).toBe(2880)
  expect(r.range(2)).toEqual({ first: 78, end: 100 })
  expect(r.resize(new Scale(0, 36, 720))).toBe(0)
  expect(r.range(2)).toEqual({ first: 0, end: 0 })
})
