import { expect, test } from 'vitest'
import { errorText, faultOf, mustLogIn, NoAnswer, Refused } from './fault'

test("a problem keeps the server's own words", () => {
  const f = faultOf(
    { title: 'Service Unavailable', status: 503, kind: 'unreachable', detail: 'site oslo cannot be reached' },
    503,
  )
  expect(f).toBeInstanceOf(Refused)
  expect(f).toMatchObject({ status: 503, kind: 'unreachable', message: 'site oslo cannot be reached' })
})

test('an answer of something else is no answer', () => {
  for (const body of ['<html>', null, undefined, { error: 'x' }, { detail: 7 }])
    expect(faultOf(body, 502)).toBeInstanceOf(NoAnswer)
})

test('only a 401 of the server asks for a login', () => {
  expect(mustLogIn(faultOf({ detail: 'log in first' }, 401))).toBe(true)
  expect(mustLogIn(faultOf({ detail: 'no' }, 403))).toBe(false)
  expect(mustLogIn(faultOf('<html>', 401))).toBe(false)
  expect(mustLogIn(new Error('x'))).toBe(false)
  expect(errorText('plain')).toBe('plain')
})

test('what to type at a prompt is left out, and what happened stays', () => {
  const told = (detail: string) => errorText(faultOf({ detail }, 404))
  expect(told('there is no host x here; `skerry hosts list` finds hosts by name')).toBe('there is no host x here')
  expect(
    told(
      'site oslo cannot be reached: its link is down; the row (of now) is all it holds: `skerry hosts get x` shows it',
    ),
  ).toBe('site oslo cannot be reached: its link is down; the row (of now) is all it holds')
  expect(told('there is no field `a`; did you mean `b`?')).toBe('there is no field `a`; did you mean `b`?')
  expect(told('`skerry serve` does not run')).toBe('`skerry serve` does not run')
})

test('a refusal says which part of a request it is about', () => {
  const errors = [{ location: 'query.sort', message: 'no' }]
  expect(faultOf({ detail: 'no', errors }, 422)).toMatchObject({ about: 'query.sort', span: undefined })
})
