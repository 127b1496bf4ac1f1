import { expect, test } from 'vitest'
import { colsOf, columns, columnsOf, orderOf, usualFor, widthOf } from './columns'

const ids = (cols: string | undefined, room = Infinity) => columnsOf(cols, room).map((c) => c.id)
const usual = ['name', 'status', 'site', 'os', 'ip', 'critical', 'high', 'updates', 'seen']

test('the host comes first, what is unknown is left out', () => {
  expect(ids('kernel,name,bogus,site')).toEqual(['name', 'kernel', 'site'])
  expect(ids('bogus')).toEqual(usual)
  expect(ids(undefined)).toEqual(usual)
  expect(ids(colsOf(['name', 'site', 'critical']))).toEqual(['name', 'site', 'critical'])
  expect(colsOf([])).toBeUndefined()
})

test('the usual columns fit into the room that there is, those that were chosen stay', () => {
  // The list beside the filters, in windows of 1,280 and 1,440 pixels, with a scroll bar.
  expect(ids(undefined, 59.6)).toEqual(usual.filter((id) => id !== 'ip'))
  expect(ids(undefined, 69.6)).toEqual(usual)
  expect(ids(usual.join(','), 59.6)).toEqual(usual)
  for (let room = 40; room < 80; room += 0.25) {
    const fit = usualFor(room)
    expect(fit.length === usual.length - 4 || widthOf(fit) <= room, `${fit.length} columns in ${room}`).toBe(true)
    expect(ids(undefined, room).slice(0, 3)).toEqual(['name', 'status', 'site'])
    expect(ids(undefined, room)).toContain('seen')
  }
})

test('no column is there twice', () => {
  expect(new Set(columns.map((c) => c.id)).size).toBe(columns.length)
  expect(new Set(columns.map(orderOf)).size).toBe(columns.length)
})
