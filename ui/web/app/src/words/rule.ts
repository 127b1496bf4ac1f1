// A rule's times in words. The API writes lengths of time as Go does: "15m0s".

import type { AlertRule } from '../api/types'

/** A length without its noughts: "15m0s" is "15m", "1h0m0s" is "1h", "0s" is nothing. */
export function shortSpan(text: string | undefined): string {
  return (text ?? '').replace(/(?<![\d.])0[hms]/g, '')
}

/** How long a rule waits, in both directions. */
export function held(r: Pick<AlertRule, 'for' | 'clear'>): string {
  const opens = shortSpan(r.for)
  const ends = shortSpan(r.clear)
  return `${opens ? `after ${opens}` : 'at once'}, ${ends ? `after ${ends}` : 'at once'}`
}
