import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from 'react'
import type { Host } from '../../api/types'
import type { Order } from '../../directory/order'
import type { Directory, Summary } from '../../directory/rows'
import { Scale, Scroller } from '../../directory/scroll'
import { marked, markedN, type Selection } from '../../directory/selection'
import { boxRem, widthOf, type Column } from './columns'
import { Edges, useEdges } from './Edges'
import { GridHead } from './GridHead'
import classes from './HostGrid.module.css'
import { HostRow } from './HostRow'

/** Rows drawn above and below those in view, and rows read ahead. */
const drawn = 8
const ahead = 40
/** How long scrolling rests before bar and list are brought together, in milliseconds. */
const rest = 150

/** What keys do to the rows from elsewhere on the page. */
export interface GridHandle {
  /** Takes the focus and does what the key does there; false where it does nothing. */
  press(key: string): boolean
  /** The row under the cursor, and its host. */
  current(): { host: Host; row: number } | undefined
}

interface GridProps {
  ref: React.Ref<GridHandle>
  directory: Directory
  summary: Summary
  columns: Column[]
  order: Order
  /** The search that is shown, for which the selection is asked. */
  q: string
  selection: Selection
  fresh: boolean
  dim: boolean
  narrow: boolean
  /** Pixels of the root font size, by which everything is laid out. */
  rem: number
  onOrder: (column: Column) => void
  onOpen: (host: Host) => void
  /** ranged: with all rows from the one that was clicked before. */
  onFlip: (host: Host, row: number, ranged: boolean) => void
  onAll: (marked: boolean) => void
}

/** The rows of a search, of which only those in view are drawn. */
export function HostGrid(props: GridProps) {
  const { directory, summary, columns, q, selection, narrow, rem } = props
  const box = useRef<HTMLDivElement>(null)
  const rowHeight = Math.round(rem * (narrow ? 3.75 : 2.25))
  const headHeight = narrow ? 0 : Math.round(rem * 2.25)
  const [height, setHeight] = useState(600)
  const scroller = useRef<Scroller>(undefined)
  scroller.current ??= new Scroller(new Scale(0, rowHeight, height))
  const [view, setView] = useState({ first: 0, end: 0, shift: 0 })
  const [at, setAt] = useState(-1)
  const timer = useRef<number>(undefined)

  const draw = useCallback(() => {
    const s = scroller.current!
    const next = { ...s.range(drawn), shift: s.shift }
    setView((v) => (v.first === next.first && v.end === next.end && v.shift === next.shift ? v : next))
    const { first, end } = s.range(0)
    directory.look(first, end, ahead)
  }, [directory])

  const put = useCallback(
    (bar: number) => {
      const el = box.current
      if (!el) return
      if (Math.abs(el.scrollTop - bar) >= 1) el.scrollTop = bar
      scroller.current!.placed(el.scrollTop)
      draw()
    },
    [draw],
  )

  useLayoutEffect(() => {
    const el = box.current
    if (!el) return
    const measure = () => setHeight(el.clientHeight)
    measure()
    const seen = new ResizeObserver(measure)
    seen.observe(el)
    return () => seen.disconnect()
  }, [])

  // Another search begins at its top.
  const before = useRef(directory)
  useLayoutEffect(() => {
    const s = scroller.current!
    if (before.current !== directory) {
      before.current = directory
      setAt(-1)
      s.go(0)
    }
    put(s.resize(new Scale(summary.rows, rowHeight, Math.max(0, height - headHeight))))
  }, [directory, summary.rows, rowHeight, headHeight, height, put])

  const settle = useCallback(() => {
    if (scroller.current!.scale.scaled) put(scroller.current!.settle())
  }, [put])
  useEffect(() => () => window.clearTimeout(timer.current), [])

  const cursor = Math.min(at, summary.rows - 1)
  const move = (to: number) => {
    if (summary.rows === 0) return
    const row = Math.min(Math.max(to, 0), summary.rows - 1)
    setAt(row)
    put(scroller.current!.reveal(row))
  }
  const step = (by: number) => move(cursor < 0 ? scroller.current!.range(0).first : cursor + by)
  const current = () => {
    const host = cursor < 0 ? undefined : directory.row(cursor)
    return host && { host, row: cursor }
  }
  const page = Math.max(1, Math.floor((height - headHeight) / rowHeight) - 1)

  const moves: Record<string, () => void> = {
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    PageDown: () => step(page),
    PageUp: () => step(-page),
    Home: () => move(0),
    End: () => move(summary.rows - 1),
  }
  const act = (key: string) => {
    moves[key]?.()
    return key in moves
  }
  useImperativeHandle(props.ref, () => ({
    press: (key) => {
      if (!(key in moves)) return false
      box.current?.focus({ preventScroll: true })
      return act(key)
    },
    current,
  }))

  const press = (e: React.KeyboardEvent) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || e.target !== e.currentTarget) return
    if (act(e.key)) e.preventDefault()
  }
  const { edges, look } = useEdges(box, columns, narrow)

  const track = useRef({ open: props.onOpen, flip: props.onFlip })
  track.current = { open: props.onOpen, flip: props.onFlip }
  const open = useCallback((host: Host, row: number) => {
    setAt(row)
    track.current.open(host)
  }, [])
  const flip = useCallback((host: Host, row: number, ranged: boolean) => {
    setAt(row)
    track.current.flip(host, row, ranged)
  }, [])

  const rows = []
  for (let i = view.first; i < Math.min(view.end, summary.rows); i++) {
    const host = directory.row(i)
    rows.push(
      <HostRow
        key={i}
        row={i}
        host={host}
        columns={columns}
        fresh={props.fresh}
        narrow={narrow}
        active={i === cursor}
        marked={host ? marked(selection, q, host.id) : 'no'}
        times={host ? directory.mark(host.id) : 0}
        left={host ? directory.hasLeft(host.id) : false}
        onOpen={open}
        onFlip={flip}
      />,
    )
  }
  const template = narrow
    ? undefined
    : `${boxRem}rem ${columns.map((c) => (c.share > 0 ? `minmax(${c.rem}rem, ${c.share}fr)` : `${c.rem}rem`)).join(' ')}`
  const width = narrow ? undefined : `${widthOf(columns)}rem`
  return (
    <>
      <div
        ref={box}
        id="hosts"
        className={classes.grid}
        role="grid"
        aria-label="Hosts"
        aria-multiselectable="true"
        aria-rowcount={summary.rows + 1}
        aria-colcount={columns.length + 1}
        aria-activedescendant={cursor >= view.first && cursor < view.end ? `host-row-${cursor}` : undefined}
        aria-busy={props.dim || undefined}
        tabIndex={0}
        data-narrow={narrow || undefined}
        data-dim={props.dim || undefined}
        style={
          {
            '--columns': template,
            '--width': width,
            '--row': `${rowHeight}px`,
            '--head': `${headHeight}px`,
          } as React.CSSProperties
        }
        onKeyDown={press}
        onScroll={(e) => {
          scroller.current!.moved(e.currentTarget.scrollTop)
          look()
          draw()
          window.clearTimeout(timer.current)
          timer.current = window.setTimeout(settle, rest)
        }}
      >
        <GridHead
          columns={columns}
          order={props.order}
          narrow={narrow}
          total={summary.total}
          marked={
            selection.kind === 'all' && selection.q === q && selection.except.size === 0
              ? 'yes'
              : markedN(selection) > 0
                ? 'unknown'
                : 'no'
          }
          onOrder={props.onOrder}
          onAll={props.onAll}
        />
        <div className={classes.body} role="rowgroup" style={{ height: scroller.current.scale.height }}>
          <div className={classes.window} style={{ transform: `translateY(${view.first * rowHeight + view.shift}px)` }}>
            {rows}
          </div>
        </div>
      </div>
      <Edges edges={edges} box={box} />
    </>
  )
}
