/**
 * How far the server's clock is ahead of this machine's, in milliseconds, learnt from the Date header
 * of an answer. The header has whole seconds and the answer took a while, so that differences below
 * two seconds are taken for none; and an estimate is kept while the new one agrees with it, so that
 * what is shown does not jitter.
 */
export function clockOffset(header: string | null, received: number, old: number): number {
  const sent = header ? Date.parse(header) : NaN
  if (Number.isNaN(sent)) return old
  const seen = sent + 500 - received
  if (Math.abs(seen) < 2000) return 0
  return Math.abs(seen - old) < 2000 ? old : seen
}

/** How old an answer may be and still be taken for the present: three missed polls and a little. */
export const freshFor = 20_000

/** Whether an answer that arrived at `received` is still of now. Both times are of this machine. */
export function isFresh(received: number, failed: boolean, now: number): boolean {
  return !failed && received > 0 && now - received < freshFor
}
