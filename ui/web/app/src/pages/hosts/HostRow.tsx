import { memo } from 'react'
import type { Host } from '../../api/types'
import type { Marked } from '../../directory/selection'
import type { Column } from './columns'
import classes from './HostGrid.module.css'

interface RowProps {
  row: number
  host: Host | undefined
  columns: Column[]
  fresh: boolean
  narrow: boolean
  active: boolean
  marked: Marked
  times: number
  left: boolean
  onOpen: (host: Host, row: number) => void
  onFlip: (host: Host, row: number, ranged: boolean) => void
}

/** One host, or the place of one that is being read. */
export const HostRow = memo(function HostRow({
  row,
  host,
  columns,
  fresh,
  narrow,
  active,
  marked,
  times,
  left,
  onOpen,
  onFlip,
}: RowProps) {
  const id = `host-row-${row}`
  if (!host) {
    return (
      <div id={id} className={classes.row} role="row" aria-rowindex={row + 2} data-active={active || undefined}>
        <div
          role="gridcell"
          aria-colspan={columns.length + 1}
          className={classes.loading}
          style={{ '--n': row % 5 } as React.CSSProperties}
        >
          <span className="hidden">being read</span>
        </div>
      </div>
    )
  }
  const name = host.hostname || host.id
  const cell = (c: Column, i: number) => (
    <div
      key={c.id}
      role="gridcell"
      aria-colindex={i + 2}
      data-column={c.id}
      data-number={c.number || undefined}
      data-title={c.title}
    >
      {c.cell(host, fresh)}
    </div>
  )
  return (
    <div
      id={id}
      className={classes.row}
      role="row"
      aria-rowindex={row + 2}
      aria-selected={marked === 'yes'}
      data-active={active || undefined}
      data-marked={marked === 'yes' || undefined}
      data-left={left || undefined}
      title={left ? 'It no longer matches; a refresh takes it out' : undefined}
      onClick={(e) => {
        // The box is for itself, and text may be marked for copying.
        if ((e.target as HTMLElement).closest('label') || window.getSelection()?.toString()) return
        onOpen(host, row)
      }}
    >
      <div role="gridcell" aria-colindex={1} className={classes.check}>
        <label>
          <input
            type="checkbox"
            tabIndex={-1}
            aria-label={`Select ${name}`}
            checked={marked === 'yes'}
            disabled={marked === 'unknown'}
            ref={(box) => {
              if (box) box.indeterminate = marked === 'unknown'
            }}
            // It is a click that changes it, and a click says whether Shift was held.
            onChange={(e) => onFlip(host, row, (e.nativeEvent as MouseEvent).shiftKey)}
          />
        </label>
      </div>
      {times > 0 ? <span key={times} className={classes.flash} aria-hidden="true" /> : null}
      {narrow ? stacked(columns, cell) : columns.map(cell)}
    </div>
  )
})

/** On a phone the status stands beside the name, and the other columns below in one line. */
function stacked(columns: Column[], cell: (c: Column, i: number) => React.ReactNode) {
  const all = columns.map((c, i) => ({ c, i, top: i === 0 || c.id === 'status' }))
  return (
    <>
      {all.filter((n) => n.top).map(({ c, i }) => cell(c, i))}
      <div className={classes.rest}>{all.filter((n) => !n.top).map(({ c, i }) => cell(c, i))}</div>
    </>
  )
}
