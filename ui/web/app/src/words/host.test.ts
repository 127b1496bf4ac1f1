import { expect, test } from 'vitest'
import { addressShort, systemShort, yesNo } from './host'

test.each([
  [{ id: 'debian', name: 'Debian GNU/Linux 12 (bookworm)', version: '12' }, 'Debian 12'],
  [{ id: 'rocky', name: 'Rocky Linux 9.4 (Blue Onyx)', version: '9.4' }, 'Rocky 9.4'],
  [{ id: 'alpine', name: 'Alpine Linux', version: '3.20.1' }, 'Alpine 3.20.1'],
  [{ id: 'arch', name: 'Arch Linux' }, 'Arch Linux'],
  [{ id: 'plan9' }, 'plan9'],
  [{}, undefined],
])('%o', (os, want) => expect(systemShort(os)).toBe(want))

test('addresses', () => {
  expect(addressShort({ ipv4: ['10.0.0.1', '10.0.0.2'], ipv6: ['fe80::1'] })).toEqual({ first: '10.0.0.1', more: 2 })
  expect(addressShort({ ipv6: ['fe80::1'] })).toEqual({ first: 'fe80::1', more: 0 })
  expect(addressShort({ ipv4: null })).toBeUndefined()
})

test('what a system does not tell is not a no', () => {
  expect(yesNo(undefined)).not.toBe(yesNo(false))
  expect(yesNo(true)).toBe('yes')
})
