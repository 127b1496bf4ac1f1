import { Button, Popover } from '@mantine/core'
import { useState } from 'react'
import type { Order } from '../../directory/order'
import { columns as all, orderOf, type Column } from './columns'
import classes from './Menus.module.css'

/** Which columns are shown, in which order; and by what the rows are ordered, for where there are no heads. */
export function ColumnsMenu({
  columns,
  order,
  spared,
  onColumns,
  onOrder,
}: {
  columns: Column[]
  order: Order
  /** Usual columns that there was no room for. */
  spared: Column[]
  onColumns: (ids: string[] | undefined) => void
  onOrder: (order: Order) => void
}) {
  const [said, setSaid] = useState('')
  const chosen = columns.map((c) => c.id)
  const others = all.filter((c) => !chosen.includes(c.id))
  const move = (c: Column, by: number) => {
    const ids = [...chosen]
    const at = ids.indexOf(c.id)
    ids.splice(at, 1)
    ids.splice(at + by, 0, c.id)
    onColumns(ids)
    setSaid(`${c.title} is column ${at + by + 1} of ${ids.length}`)
  }
  return (
    <Popover position="bottom-end" shadow="md" trapFocus returnFocus width={300}>
      <Popover.Target>
        <Button variant="default">Columns</Button>
      </Popover.Target>
      <Popover.Dropdown className={classes.panel} aria-label="Columns">
        <div className={classes.order}>
          <label htmlFor="order-by">Order by</label>
          <select
            id="order-by"
            value={order.field}
            onChange={(e) => {
              const field = e.currentTarget.value
              onOrder({ field, down: all.find((c) => orderOf(c) === field)?.first === 'down' })
            }}
          >
            {all
              .filter((c) => c.first)
              .map((c) => (
                <option key={c.id} value={orderOf(c)}>
                  {c.title}
                </option>
              ))}
          </select>
          <button
            type="button"
            aria-label={order.down ? 'Falling; turn it round' : 'Rising; turn it round'}
            title={order.down ? 'Falling; turn it round' : 'Rising; turn it round'}
            onClick={() => onOrder({ ...order, down: !order.down })}
          >
            {order.down ? '↓' : '↑'}
          </button>
        </div>
        <ul className={classes.columns} aria-label="Columns, in their order">
          {columns.map((c, i) => (
            <li key={c.id}>
              <label>
                <input
                  type="checkbox"
                  checked
                  disabled={i === 0}
                  onChange={() => onColumns(chosen.filter((id) => id !== c.id))}
                />
                {c.title}
              </label>
              <button
                type="button"
                aria-label={`Move ${c.title} forward`}
                title="Forward"
                disabled={i <= 1}
                onClick={() => move(c, -1)}
              >
                ↑
              </button>
              <button
                type="button"
                aria-label={`Move ${c.title} back`}
                title="Back"
                disabled={i === 0 || i === columns.length - 1}
                onClick={() => move(c, 1)}
              >
                ↓
              </button>
            </li>
          ))}
          {others.map((c) => (
            <li key={c.id}>
              <label>
                <input type="checkbox" checked={false} onChange={() => onColumns([...chosen, c.id])} />
                {c.title}
              </label>
            </li>
          ))}
        </ul>
        {spared.length > 0 ? (
          <p className={classes.hint}>
            No room here for {spared.map((c) => c.title).join(', ')}; a tick shows it all the same.
          </p>
        ) : null}
        <span className="hidden" role="status">
          {said}
        </span>
        <Button variant="subtle" size="xs" onClick={() => onColumns(undefined)}>
          The usual columns
        </Button>
      </Popover.Dropdown>
    </Popover>
  )
}
