import { expect, test } from 'vitest'
import { alertSearch, alertSeverity, alertState, countsWords, openAlerts, person, resolution } from './alerts'

test('an address holds filters that there are, and nothing else', () => {
  expect(alertSearch({ state: 'resolved', severity: 'critical', host: ' web-1 ', rule: 'disk', site: 'oslo' })).toEqual(
    {
      state: 'resolved',
      severity: 'critical',
      host: 'web-1',
      rule: 'disk',
      site: 'oslo',
    },
  )
  const none = { state: undefined, severity: undefined, host: undefined, rule: undefined, site: undefined }
  expect(alertSearch({ state: 'unresolved', severity: 'fatal', host: '', rule: 7 })).toEqual(none)
  expect(alertSearch({ host: 'x'.repeat(300) }).host).toHaveLength(255)
})

test('counts that nobody gave are not nought in words', () => {
  expect(countsWords(undefined)).toBe('not known')
  expect(countsWords({ critical: 0, warning: 0, info: 0, acknowledged: 0 })).toBe('none open')
  expect(countsWords({ critical: 2, warning: 1, info: 0, acknowledged: 3 })).toBe(
    '2 critical, 1 warning open · 3 acknowledged',
  )
  expect(countsWords({ critical: 0, warning: 1961, info: 0, acknowledged: 0 })).toBe('1,961 warning open')
  expect(openAlerts(undefined)).toEqual({ open: 0, critical: 0 })
  expect(openAlerts({ critical: 2, warning: 1, info: 4, acknowledged: 3 })).toEqual({ open: 7, critical: 2 })
})

test('only what is resolved is green, and strange words are kept', () => {
  expect(['open', 'acknowledged', 'resolved', 'asleep'].map((s) => alertState(s).tone)).toEqual([
    'bad',
    'warn',
    'ok',
    'none',
  ])
  expect(alertSeverity('warning')).toEqual({ word: 'Warning', like: 'medium' })
  expect(alertSeverity('fatal')).toEqual({ word: 'Fatal', like: 'none' })
  expect(resolution({ reason: 'host_retired' })).toBe('Its host was retired')
  expect(resolution({ reason: 'eaten' as 'cleared' })).toBe('Resolved: eaten')
})

test('who did it is named, and from where', () => {
  expect(person('account:ann')).toBe('ann')
  expect(person('local:0')).toBe('local:0')
  expect(person('system')).toBe('system')
  expect(person('controller:01a2-7 account:ann')).toBe('ann at the controller')
  expect(person('controller:01a2-7 local:0')).toBe('local:0 at the controller')
  expect(person('controller:01a2-7')).toBe('the controller')
})
