import { expect, test } from 'vitest'
import { narrowed, taken } from './completion'

const item = (text: string) => ({ text, doc: '', n: 0 })
const answer = { text: 'web st', from: 4, to: 6, items: [item('status:'), item('site:')] }

test('while an answer is on the way, the last one is narrowed', () => {
  expect(narrowed(answer, 'web st', 6)).toEqual(answer.items)
  expect(narrowed(answer, 'web sta', 7).map((i) => i.text)).toEqual(['status:'])
  expect(narrowed(answer, 'web xta', 7)).toEqual([])
  expect(narrowed(answer, 'app sta', 7)).toEqual([])
  expect(narrowed(answer, 'we', 2)).toEqual([])
})

test('a completion takes its place, and a whole condition is set apart', () => {
  expect(taken(answer, item('status:'), 'web st', 6)).toEqual({ text: 'web status:', caret: 11, whole: false })
  expect(taken(answer, item('status:'), 'web sta', 7)).toEqual({ text: 'web status:', caret: 11, whole: false })
  const value = { text: 'site:o web', from: 5, to: 6, items: [] }
  expect(taken(value, item('oslo'), 'site:o web', 6)).toEqual({ text: 'site:oslo web', caret: 9, whole: true })
  const last = { text: 'site:o', from: 5, to: 6, items: [] }
  expect(taken(last, item('oslo'), 'site:o', 6)).toEqual({ text: 'site:oslo ', caret: 10, whole: true })
  expect(taken(last, item('or '), 'x ', 2).whole).toBe(false)
})
