import type { Order } from '../../directory/order'
import type { Marked } from '../../directory/selection'
import { plural } from '../../words/count'
import { orderOf, type Column } from './columns'
import classes from './HostGrid.module.css'

/** The heads of the columns; a click orders by one, the next one the other way round. */
export function GridHead({
  columns,
  order,
  narrow,
  total,
  marked,
  onOrder,
  onAll,
}: {
  columns: Column[]
  order: Order
  narrow: boolean
  total: number
  marked: Marked
  onOrder: (column: Column) => void
  onAll: (marked: boolean) => void
}) {
  return (
    <div role="rowgroup" className={narrow ? 'hidden' : classes.head}>
      <div role="row" aria-rowindex={1} className={classes.heads}>
        <div role="columnheader" aria-colindex={1} className={classes.check}>
          {narrow ? (
            'Selected'
          ) : (
            <label>
              <input
                type="checkbox"
                aria-label={`Select all ${plural(total, 'host')} that match`}
                title={marked === 'no' ? `Select all ${plural(total, 'host')} that match` : 'Select none'}
                checked={marked === 'yes'}
                disabled={total === 0 && marked === 'no'}
                ref={(box) => {
                  if (box) box.indeterminate = marked === 'unknown'
                }}
                onChange={() => onAll(marked === 'no')}
              />
            </label>
          )}
        </div>
        {columns.map((c, i) => {
          const by = order.field === orderOf(c)
          return (
            <div
              key={c.id}
              role="columnheader"
              aria-colindex={i + 2}
              aria-sort={by ? (order.down ? 'descending' : 'ascending') : undefined}
              data-column={c.title}
              data-number={c.number || undefined}
            >
              {c.first && !narrow ? (
                <button type="button" onClick={() => onOrder(c)} title={`Order by ${c.title.toLowerCase()}`}>
                  {c.title}
                  <svg
                    width="9"
                    height="9"
                    viewBox="0 0 9 9"
                    aria-hidden="true"
                    data-by={by ? (order.down ? 'down' : 'up') : undefined}
                  >
                    <path d="M4.5 1.5 8 7.5H1z" />
                  </svg>
                </button>
              ) : (
                c.title
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}
