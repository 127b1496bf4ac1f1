// Lines of how a sum came to be what it is. A sum holds until its next point: where nothing changed
// there is none.

export interface Point {
  at: number
  value: number
}

export interface Line {
  /** The first value in the window, and the last. */
  first: number
  last: number
  low: number
  high: number
  points: Point[]
}

/** The points of a window, in order; what held before it began counts from its beginning. */
export function lineOf(points: Point[], from: number, to: number): Line | undefined {
  const sorted = points.filter((p) => Number.isFinite(p.at) && p.at <= to).sort((a, b) => a.at - b.at)
  const before = sorted.filter((p) => p.at < from).at(-1)
  const within = sorted.filter((p) => p.at >= from)
  if (before && within[0]?.at !== from) within.unshift({ at: from, value: before.value })
  const [head, tail] = [within[0], within.at(-1)]
  if (!head || !tail) return undefined
  const values = within.map((p) => p.value)
  return { first: head.value, last: tail.value, low: Math.min(...values), high: Math.max(...values), points: within }
}

/** The values at the lower and the upper edge of what is drawn. */
export interface Bounds {
  bottom: number
  top: number
}

/**
 * What a line is drawn between. From nought, so that heights compare as the values do; only where it stays within the
 * upper half and would hardly be seen to move, from its lowest to its highest: then the area under it says nothing.
 */
export function boundsOf(line: Line): Bounds {
  if (line.low > line.high / 2 && line.low < line.high) return { bottom: line.low, top: line.high }
  return { bottom: Math.min(0, line.low), top: line.high > 0 ? line.high : 1 }
}

/** Draws a line into a box of that width and height, as the d of an SVG path: level, then up or down. */
export function pathOf(line: Line, bounds: Bounds, from: number, to: number, width: number, height: number): string {
  const x = (at: number) => round(((at - from) / (to - from)) * width)
  const y = (v: number) => round(height - ((v - bounds.bottom) / (bounds.top - bounds.bottom)) * height)
  const [head, ...rest] = line.points
  let d = `M${x(head!.at)} ${y(head!.value)}`
  for (const p of rest) d += `H${x(p.at)}V${y(p.value)}`
  return `${d}H${x(to)}`
}

/** The value that held at a time; undefined before the first. */
export function valueAt(line: Line, at: number): number | undefined {
  return line.points.filter((p) => p.at <= at).at(-1)?.value
}

function round(n: number): number {
  return Math.round(n * 100) / 100
}
