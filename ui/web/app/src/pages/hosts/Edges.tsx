import { useCallback, useLayoutEffect, useState } from 'react'
import { plural } from '../../words/count'
import type { Column } from './columns'
import classes from './Edges.module.css'

/** The columns that are out of sight on either side of the table. */
interface Out {
  left: string[]
  right: string[]
}

const nothing: Out = { left: [], right: [] }

/** Follows which columns are out of sight; look has to be called when the table was scrolled. */
export function useEdges(box: React.RefObject<HTMLElement | null>, columns: Column[], narrow: boolean) {
  const [edges, setEdges] = useState(nothing)
  const look = useCallback(() => {
    const el = box.current
    if (!el || narrow || el.scrollWidth <= el.clientWidth + 1)
      return setEdges((was) => (was === nothing ? was : nothing))
    const out: Out = { left: [], right: [] }
    const { left, right } = el.getBoundingClientRect()
    for (const head of el.querySelectorAll<HTMLElement>('[role="columnheader"][data-column]')) {
      const place = head.getBoundingClientRect()
      // What is cut by half of its text or more is not seen.
      if (place.right > right + place.width / 4) out.right.push(head.dataset['column']!)
      else if (place.left < left - place.width / 4) out.left.push(head.dataset['column']!)
    }
    setEdges((was) => (was.left.join() === out.left.join() && was.right.join() === out.right.join() ? was : out))
  }, [box, narrow])
  useLayoutEffect(() => {
    look()
    if (!box.current) return
    const seen = new ResizeObserver(look)
    seen.observe(box.current)
    return () => seen.disconnect()
  }, [box, look, columns])
  return { edges, look }
}

/** Says at the edges of the table that it goes on there, and with which columns. */
export function Edges({ edges, box }: { edges: Out; box: React.RefObject<HTMLElement | null> }) {
  const go = (by: number) => box.current?.scrollBy({ left: by * 0.75 * box.current.clientWidth, behavior: 'smooth' })
  return (
    <>
      {edges.left.length > 0 ? <Edge side="left" titles={edges.left} onGo={() => go(-1)} /> : null}
      {edges.right.length > 0 ? <Edge side="right" titles={edges.right} onGo={() => go(1)} /> : null}
    </>
  )
}

function Edge({ side, titles, onGo }: { side: 'left' | 'right'; titles: string[]; onGo: () => void }) {
  const what = `${plural(titles.length, 'more column')} to the ${side}: ${titles.join(', ')}`
  return (
    <div className={classes.edge} data-side={side}>
      <div className={classes.head}>
        <button type="button" aria-label={what} title={what} onClick={onGo}>
          {side === 'left' ? '‹ ' : ''}
          {titles.length} more{side === 'right' ? ' ›' : ''}
        </button>
      </div>
    </div>
  )
}
