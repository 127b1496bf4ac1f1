// What the page of hosts has to lay itself out in.

import { useEffect, useLayoutEffect, useState } from 'react'

/** Pixels of the root font size; people set it in their browser. */
export function useRem(): number {
  const [rem, setRem] = useState(() => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16)
  useEffect(() => {
    const measure = () => setRem(parseFloat(getComputedStyle(document.documentElement).fontSize) || 16)
    window.addEventListener('resize', measure)
    return () => window.removeEventListener('resize', measure)
  }, [])
  return rem
}

/** The borders of the table and the widest scroll bar, in pixels. */
const taken = 19

/** The width that columns have in an element, in rem. */
export function useRoom(box: React.RefObject<HTMLElement | null>, rem: number): number {
  const [width, setWidth] = useState(Infinity)
  useLayoutEffect(() => {
    const el = box.current
    if (!el) return
    const measure = () => setWidth(el.clientWidth)
    measure()
    const seen = new ResizeObserver(measure)
    seen.observe(el)
    return () => seen.disconnect()
  }, [box])
  return (width - taken) / rem
}
