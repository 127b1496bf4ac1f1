import { describe, expect, test } from 'vitest'
import { asksFor, named, standing, term, toggle, without } from './terms'

test('a condition is written so that it is read as one', () => {
  expect(term('site', 'berlin')).toBe('site:berlin')
  expect(term('os', 'debian 12')).toBe('os:debian:12')
  expect(term('os', 'windows-server 2022')).toBe('os:windows-server:2022')
  expect(term('os', 'arch')).toBe('os:arch')
  expect(term('tag', 'two words')).toBe('tag:"two words"')
  expect(term('tag', 'a"b\\')).toBe('tag:"a\\"b\\\\"')
  expect(term('site', '-x')).toBe('site:"-x"')
  expect(term('tag', 'db*')).toBe('tag:"db\\*"')
  expect(term('os', 'arch (no version)')).toBe('os:arch:"(no version)"')
  expect(term('tag', '.x')).toBe('tag:".x"')
})

const clicks: [text: string, field: string, value: string, not: boolean, after: string][] = [
  ['', 'status', 'down', false, 'status:down'],
  ['', 'status', 'down', true, '-status:down'],
  ['status:down', 'status', 'down', false, ''],
  ['-status:down', 'status', 'down', true, ''],
  ['STATUS:Down web', 'status', 'down', false, 'web'],
  ['status:down', 'status', 'down', true, '-status:down'],
  ['-status:down', 'status', 'down', false, 'status:down'],
  ['web*', 'site', 'oslo', false, 'web* site:oslo'],
  ['status:down', 'status', 'late', false, 'status:down,late'],
  ['(status:down or status:late)', 'status', 'up', false, 'status:down,late,up'],
  ['status:down or status:late', 'status', 'up', false, 'status:down,late,up'],
  ['web (status:down or status:late)', 'status', 'down', false, 'web status:late'],
  ['status:down,late -site:a,b', 'status', 'down', false, 'status:late -site:a,b'],
  ['status:down -site:a,b', 'site', 'b', true, 'status:down -site:a'],
  ['-site:a,b', 'site', 'b', false, '-site:a site:b'],
  ['severity:>=high', 'severity', 'low', false, '(severity:>=high or severity:low)'],
  ['city:"new york"', 'city', 'oslo', false, 'city:"new york",oslo'],
  ['os:arch:"(no version)"', 'os', 'arch (no version)', false, ''],
  ['os:"debian 12" x', 'os', 'debian 12', false, 'x'],
  ['tag:"db\\*" x', 'tag', 'db*', false, 'x'],
  ['', 'owner', '*', true, '-owner:*'],
  ['-owner:* x', 'owner', '*', true, 'x'],
  ['tag:pci', 'tag', 'db', false, 'tag:pci tag:db'],
  ['tag:pci tag:db', 'tag', 'pci', false, 'tag:db'],
  ['os:debian:12', 'os', 'ubuntu 24.04', false, '(os:debian:12 or os:ubuntu:24.04)'],
  ['a or b', 'site', 'oslo', false, '(a or b) site:oslo'],
  ['(a or b) site:oslo', 'site', 'oslo', false, 'a or b'],
  ['a and site:oslo and b', 'site', 'oslo', false, 'a and b'],
  ['site:oslo and b', 'site', 'oslo', false, 'b'],
  ['not site:oslo b', 'site', 'oslo', true, 'b'],
  ['tag:"two words" x', 'tag', 'two words', false, 'x'],
  ['site:"oslo"', 'site', 'oslo', false, ''],
  ['name:"a (b" ', 'site', 'oslo', false, 'name:"a (b" site:oslo'],
  ['name:"open', 'site', 'oslo', false, 'name:"open site:oslo'],
  ['(site:oslo web)', 'site', 'oslo', false, '(site:oslo web) site:oslo'],
]

describe('a click on a value', () => {
  test.each(clicks)('%j %s %s %s', (text, field, value, not, after) => {
    expect(toggle(text, field, value, not)).toBe(after)
  })
})

test('how a value stands', () => {
  expect(standing('site:oslo', 'site', 'oslo')).toBe('in')
  expect(standing('-site:oslo', 'site', 'oslo')).toBe('out')
  expect(standing('site=oslo', 'site', 'oslo')).toBe('in')
  expect(standing('not site:oslo', 'site', 'oslo')).toBe('out')
  expect(standing('site:bergen,"oslo"', 'site', 'oslo')).toBe('in')
  expect(standing('(site:oslo or site:bergen)', 'site', 'bergen')).toBe('in')
  expect(standing('(site:oslo or tag:x)', 'site', 'oslo')).toBe('open')
  expect(standing('a or site:oslo', 'site', 'oslo')).toBe('open')
  expect(standing('name:site:oslo', 'site', 'oslo')).toBe('open')
  expect(standing('severity:high', 'severity', 'high')).toBe('in')
  const rename = (n: string) => (n === 'worst' ? 'severity' : n)
  expect(standing('worst:high', 'severity', 'high', rename)).toBe('in')
  expect(toggle('worst:high', 'severity', 'high', false, rename)).toBe('')
})

test('the values that a search names', () => {
  expect(named('status:down,late -status:up x', 'status')).toEqual(['down', 'late', 'up'])
  expect(named('os:debian:12 os:ubuntu', 'os')).toEqual(['debian 12', 'ubuntu'])
  expect(named('tag:"two words" tag:db* -tag:*', 'tag')).toEqual(['two words'])
  expect(named('severity:>=high', 'severity')).toEqual([])
})

test('a search without one of its fields', () => {
  expect(without('status:down os:debian web', 'status')).toBe('os:debian web')
  expect(without('(status:down or status:late) web', 'status')).toBe('web')
  expect(without('-status:down web', 'status')).toBe('-status:down web')
  expect(without('status:down or status:up', 'status')).toBe('')
  expect(asksFor('(status:down or status:late) web', 'status')).toBe(true)
  expect(asksFor('-status:down web', 'status')).toBe(false)
})
