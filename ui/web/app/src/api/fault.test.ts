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
