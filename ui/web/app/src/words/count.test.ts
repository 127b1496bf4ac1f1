import { expect, test } from 'vitest'
import { bits, count, hostSplit, plural, rowRange, size, took } from './count'

test('thousands stand apart', () => {
  expect(count(0)).toBe('0')
  expect(count(16595)).toBe('16,595')
  expect(count(1000000)).toBe('1,000,000')
})

test('one is singular and nothing else is', () => {
  expect(plural(0, 'host')).toBe('0 hosts')
  expect(plural(1, 'host')).toBe('1 host')
  expect(plural(5000, 'advisory', 'advisories')).toBe('5,000 advisories')
})

test('hosts of a missing or strange status are unknown, never lost', () => {
  expect(hostSplit(10, { up: 6, down: 1 })).toEqual({ up: 6, late: 0, down: 1, unknown: 3 })
  expect(hostSplit(10, { up: 6, asleep: 4 })).toEqual({ up: 6, late: 0, down: 0, unknown: 4 })
  expect(hostSplit(3, {})).toEqual({ up: 0, late: 0, down: 0, unknown: 3 })
  expect(hostSplit(3, null)).toEqual({ up: 0, late: 0, down: 0, unknown: 3 })
  expect(hostSplit(0, undefined)).toEqual({ up: 0, late: 0, down: 0, unknown: 0 })
  expect(hostSplit(1, { up: 2 })).toEqual({ up: 2, late: 0, down: 0, unknown: 0 })
})

test('late is neither up nor down', () => {
  expect(hostSplit(10, { up: 6, late: 3, down: 1 })).toEqual({ up: 6, late: 3, down: 1, unknown: 0 })
})

test('a time taken', () => {
  expect([0, 850, 1234, 9999, 45_600, 1_400_000].map(took)).toEqual([
    '0 µs',
    '850 µs',
    '1.2 ms',
    '10.0 ms',
    '46 ms',
    '1.4 s',
  ])
})

test('the range of a page', () => {
  expect(rowRange(0, 50, 340)).toBe('1–50 of 340')
  expect(rowRange(300, 40, 340)).toBe('301–340 of 340')
  expect(rowRange(undefined, 50, 340)).toBe('50 of 340')
  expect(rowRange(0, 0, 0)).toBe('none')
  expect(rowRange(350, 0, 340)).toBe('none of 340')
})

test('speeds and sizes', () => {
  expect([800, 256_000, 1_500_000].map(bits)).toEqual(['800 bit/s', '256 kbit/s', '1.5 Mbit/s'])
  expect([0, 1023, 1536, 200 * 1024 * 1024].map(size)).toEqual(['0 bytes', '1,023 bytes', '1.5 KiB', '200 MiB'])
})
