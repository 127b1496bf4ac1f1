import { Button, TextInput } from '@mantine/core'
import {
  type ColumnDef,
  createFilteredRowModel,
  createPaginatedRowModel,
  createSortedRowModel,
  columnFilteringFeature,
  globalFilteringFeature,
  rowPaginationFeature,
  rowSortingFeature,
  sortFn_basic,
  tableFeatures,
  useTable,
} from '@tanstack/react-table'
import { type ReactNode, useMemo } from 'react'
import { rowRange } from '../words/count'
import classes from './DetailTable.module.css'

/** One column of a list that is held in full. */
export interface Column<T> {
  id: string
  title: string
  /** What it is sorted and searched by. */
  value: (row: T) => string | number
  /** How it is shown; absent: its value. */
  show?: (row: T) => ReactNode
  /** The first click sorts downwards. */
  fallsFirst?: boolean
}

const features = tableFeatures({
  columnFilteringFeature,
  globalFilteringFeature,
  rowSortingFeature,
  rowPaginationFeature,
  filteredRowModel: createFilteredRowModel(),
  sortedRowModel: createSortedRowModel(),
  paginatedRowModel: createPaginatedRowModel(),
})

const rowsOnPage = 25

/** So many are seen at once, and nothing need be found among them. */
const fewRows = 3

/** A list that is sorted, searched and turned here, because all of it is here. */
export function DetailTable<T extends object>({
  label,
  rows,
  columns,
  first,
  empty,
}: {
  label: string
  rows: T[]
  columns: Column<T>[]
  first: string
  empty: string
}) {
  const defs = useMemo(
    () =>
      columns.map((c): ColumnDef<typeof features, T> => ({
        id: c.id,
        header: c.title,
        accessorFn: (row) => c.value(row),
        sortFn: sortFn_basic,
        sortDescFirst: c.fallsFirst ?? false,
        cell: ({ row }) => (c.show ? c.show(row.original) : c.value(row.original)),
      })),
    [columns],
  )
  const table = useTable({
    features,
    columns: defs,
    data: rows,
    enableSortingRemoval: false,
    // Rows are found by everything that is written in them.
    globalFilterFn: (row, _column, text: string) =>
      columns.some((c) =>
        String(c.value(row.original as T))
          .toLowerCase()
          .includes(String(text).trim().toLowerCase()),
      ),
    initialState: {
      sorting: [{ id: first, desc: columns.find((c) => c.id === first)?.fallsFirst ?? false }],
      pagination: { pageIndex: 0, pageSize: rowsOnPage },
    },
  })
  if (rows.length === 0) return <p className="muted">{empty}</p>
  const matched = table.getFilteredRowModel().rows.length
  const shown = table.getRowModel().rows
  const at = table.state.pagination.pageIndex * rowsOnPage
  return (
    <div className={classes.list}>
      {rows.length > fewRows ? (
        <div className={classes.bar}>
          <TextInput
            size="xs"
            className={classes.filter}
            aria-label={`Filter ${label.toLowerCase()}`}
            placeholder="Filter"
            autoComplete="off"
            spellCheck={false}
            value={String(table.state.globalFilter ?? '')}
            onChange={(e) => table.setGlobalFilter(e.currentTarget.value)}
          />
          <span role="status">{rowRange(at, shown.length, matched)}</span>
          {table.getPageCount() > 1 ? (
            <span className={classes.turn}>
              <Button
                variant="default"
                size="compact-xs"
                disabled={!table.getCanPreviousPage()}
                onClick={() => table.previousPage()}
              >
                Previous
              </Button>
              <Button
                variant="default"
                size="compact-xs"
                disabled={!table.getCanNextPage()}
                onClick={() => table.nextPage()}
              >
                Next
              </Button>
            </span>
          ) : null}
        </div>
      ) : null}
      {/* The roles are said again because the narrow layout takes the table's own display away. */}
      <table className={classes.table} role="table" aria-label={label}>
        <thead role="rowgroup">
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} role="row">
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted()
                return (
                  <th
                    key={header.id}
                    role="columnheader"
                    scope="col"
                    aria-sort={sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none'}
                  >
                    <button type="button" onClick={header.column.getToggleSortingHandler()}>
                      <table.FlexRender header={header} />
                      <span aria-hidden="true">{sorted === 'asc' ? '↑' : sorted === 'desc' ? '↓' : ''}</span>
                    </button>
                  </th>
                )
              })}
            </tr>
          ))}
        </thead>
        <tbody role="rowgroup">
          {shown.map((row) => (
            <tr key={row.id} role="row">
              {row.getAllCells().map((cell) => (
                <td key={cell.id} role="cell">
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
