// Which hosts are selected, and how a click with Shift selects all up to the one that was clicked before.

import { useEffect, useRef, useState } from 'react'
import type { Host } from '../../api/types'
import type { Directory } from '../../directory/rows'
import { all, flip, mark, marked, mostAtOnce, noSelection, type Selection } from '../../directory/selection'
import type { Shown } from '../../directory/use'
import { count } from '../../words/count'

export function useSelection({
  shown,
  q,
  pending,
  total,
  onError,
}: {
  shown: Shown | undefined
  q: string
  pending: boolean
  total: number
  onError: (error: unknown) => void
}) {
  const [held, setHeld] = useState<Selection>(noSelection)
  const anchor = useRef<{ directory: Directory; row: number; id: string }>(undefined)
  const reading = useRef<AbortController>(undefined)
  useEffect(() => () => reading.current?.abort(), [])
  const here = shown?.q ?? q
  // All that match is as many as match now.
  const selection: Selection = held.kind === 'all' && held.q === shown?.q && !pending ? { ...held, total } : held

  /** Selects a host or not, and with ranged all from the one before it in the same way. */
  const flipped = (host: Host, row: number, ranged: boolean) => {
    reading.current?.abort()
    const from = anchor.current
    const directory = shown?.directory
    if (directory) anchor.current = { directory, row, id: host.id }
    const there = from && directory?.row(from.row)
    // Since then the rows may have become others.
    const same = from && from.directory === directory && from.row !== row && (!there || there.id === from.id)
    if (!ranged || !directory || !same) return setHeld((s) => flip(s, here, host))
    const [first, end] = [Math.min(from.row, row), Math.max(from.row, row) + 1]
    if (end - first > mostAtOnce) {
      return onError(
        new Error(
          `${count(end - first)} rows are more than the ${count(mostAtOnce)} that can be selected at one stroke: search for them, and select all that match`,
        ),
      )
    }
    const on = marked(selection, here, host.id) !== 'yes'
    const stop = (reading.current = new AbortController())
    directory.between(first, end, stop.signal).then(
      (hosts) => {
        if (!stop.signal.aborted) setHeld((s) => mark(s, here, hosts, on))
      },
      (error: unknown) => {
        if (!stop.signal.aborted) onError(error)
      },
    )
  }

  return {
    selection,
    flip: flipped,
    all: () => setHeld(all(here, total)),
    none: () => setHeld(noSelection),
  }
}
