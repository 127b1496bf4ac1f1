// The present, as the server has it. How long ago something was is judged by the server's clock: the
// reader's own may be wrong, and would make fresh facts look old or old ones fresh.

import { useSyncExternalStore } from 'react'
import { clockOffset } from './words/offset'

let offset = 0
let tick = Date.now()
let timer: number | undefined
const listeners = new Set<() => void>()

export const clock = {
  /** Learns from the Date header of an answer that arrived at `received`, milliseconds of this machine. */
  observe(header: string | null, received: number): void {
    offset = clockOffset(header, received, offset)
  },
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  if (timer === undefined) {
    timer = window.setInterval(() => {
      tick = Date.now()
      for (const l of listeners) l()
    }, 1000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      window.clearInterval(timer)
      timer = undefined
    }
  }
}

/** The present by the server's clock, in milliseconds; it moves once a second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => tick) + offset
}

/** The present by this machine's clock, in milliseconds, for judging how old an answer is. */
export function useLocalNow(): number {
  return useSyncExternalStore(subscribe, () => tick)
}
