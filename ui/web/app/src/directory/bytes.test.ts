import { expect, test } from 'vitest'
import { bytesBefore, placeOf } from './bytes'

test('places and bytes agree in both directions', () => {
  const text = 'name:*blå* 😀 tag:ü'
  for (let at = 0; at <= text.length; at++) {
    const inside = at > 0 && /[\uD800-\uDBFF]/.test(text[at - 1]!)
    if (!inside) expect(placeOf(text, bytesBefore(text, at))).toBe(at)
  }
  expect(bytesBefore('blå', 3)).toBe(4)
})

test('a byte inside a character is where the character begins, and one beyond the text is its end', () => {
  expect(placeOf('å!', 1)).toBe(0)
  expect(placeOf('å!', 2)).toBe(1)
  expect(placeOf('😀!', 3)).toBe(0)
  expect(placeOf('ab', 99)).toBe(2)
})
