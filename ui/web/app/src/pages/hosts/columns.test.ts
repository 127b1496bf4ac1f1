import { expect, test } from 'vitest'
import { colsOf, columns, columnsOf, orderOf, usual } from './columns'

const ids = (cols: string | undefined) => columnsOf(cols).map((c) => c.id)

test('the host comes first, what is unknown is left out', () => {
  expect(ids('kernel,name,bogus,site')).toEqual(['name', 'kernel', 'site'])
  expect(ids('bogus')).toEqual(usual)
  expect(ids(undefined)).toEqual(usual)
})

test('the usual columns are not written into the address', () => {
  expect(colsOf(usual)).toBeUndefined()
  expect(ids(colsOf(['name', 'site', 'critical']))).toEqual(['name', 'site', 'critical'])
})

test('no column is there twice', () => {
  expect(new Set(columns.map((c) => c.id)).size).toBe(columns.length)
  expect(new Set(columns.map(orderOf)).size).toBe(columns.length)
})
