// A list that is taller than a browser can draw. Browsers bound the height of an element (17.9 million
// pixels in the strictest); a million rows of 36 pixels are 36 million. So what is scrolled is shorter
// than the list: near both ends one pixel is one pixel, in the middle it stands for several.
//
// Small moves (wheel, keys, fingers) still have to move the list by as much as they say. So the list's
// own place is kept apart from the scroll bar's, and the two are brought together when scrolling rests.

/** The greatest height that is drawn, in pixels. All whole pixels up to it are exact in 32-bit floats. */
export const tallest = 8_000_000

/** How many pixels at either end are true to scale where the list is taller than that. */
const trueEnd = 1_000_000

/** Moves up to this many pixels are taken as they are; one pixel of the bar is far more. */
const smallMove = 4000

/** Relates the place of the scroll bar to the place in the list; all in pixels. */
export class Scale {
  /** The height of what is scrolled. */
  readonly height: number
  /** The last place of the list, and of the bar. */
  readonly lastTop: number
  readonly lastBar: number
  readonly rows: number
  readonly rowHeight: number
  readonly view: number
  readonly #end: number

  constructor(rows: number, rowHeight: number, view: number) {
    this.rows = rows
    this.rowHeight = rowHeight
    this.view = view
    const full = rows * rowHeight
    this.height = Math.min(full, tallest)
    this.lastTop = Math.max(0, full - view)
    this.lastBar = Math.max(0, this.height - view)
    this.#end = Math.min(trueEnd, this.lastBar / 4)
  }

  /** Whether a pixel of the bar is not everywhere a pixel of the list. */
  get scaled(): boolean {
    return this.lastTop > this.lastBar
  }

  /** The place in the list that the bar's place stands for. */
  topOf(bar: number): number {
    const s = Math.min(Math.max(bar, 0), this.lastBar)
    if (!this.scaled || s <= this.#end) return s
    if (s >= this.lastBar - this.#end) return this.lastTop - (this.lastBar - s)
    return this.#end + ((s - this.#end) * (this.lastTop - 2 * this.#end)) / (this.lastBar - 2 * this.#end)
  }

  /** The bar's place that stands for a place in the list. */
  barOf(top: number): number {
    const t = Math.min(Math.max(top, 0), this.lastTop)
    if (!this.scaled || t <= this.#end) return t
    if (t >= this.lastTop - this.#end) return this.lastBar - (this.lastTop - t)
    return this.#end + ((t - this.#end) * (this.lastBar - 2 * this.#end)) / (this.lastTop - 2 * this.#end)
  }
}

/** Follows a scroll bar over a list. */
export class Scroller {
  #scale: Scale
  #bar = 0
  #top = 0

  constructor(scale: Scale) {
    this.#scale = scale
  }

  /** The place in the list at the upper edge of the view. */
  get top(): number {
    return this.#top
  }

  /** How far the list is drawn below its place, so that it is seen where the bar is. */
  get shift(): number {
    return this.#bar - this.#top
  }

  get scale(): Scale {
    return this.#scale
  }

  /** The rows in view, from the first to before the last, with `over` more on either side. */
  range(over: number): { first: number; end: number } {
    const { rows, rowHeight, view } = this.#scale
    return {
      first: Math.min(Math.max(0, Math.floor(this.#top / rowHeight) - over), rows),
      end: Math.min(rows, Math.ceil((this.#top + view) / rowHeight) + over),
    }
  }

  /** The bar was moved, by whomever. */
  moved(bar: number): void {
    const by = bar - this.#bar
    if (by === 0) return
    this.#bar = bar
    if (!this.#scale.scaled) this.#top = Math.min(Math.max(bar, 0), this.#scale.lastTop)
    else if (Math.abs(by) > Math.max(smallMove, 2 * this.#scale.view)) this.#top = Math.round(this.#scale.topOf(bar))
    else this.#top = Math.min(Math.max(this.#top + by, 0), this.#scale.lastTop)
  }

  /** Where the bar really came to stand when it was put somewhere: browsers round. */
  placed(bar: number): void {
    this.#bar = bar
    if (!this.#scale.scaled) this.#top = bar
  }

  /** Where the bar has to be put once scrolling rests. What is seen does not change. */
  settle(): number {
    // Between whole pixels the letters of the rows would be blurred.
    const bar = this.#scale.barOf(this.#top)
    this.#bar = this.#scale.scaled ? Math.round(bar) : bar
    return this.#bar
  }

  /** Goes to a place in the list; returns where the bar has to be put. */
  go(top: number): number {
    this.#top = Math.min(Math.max(top, 0), this.#scale.lastTop)
    return this.settle()
  }

  /** Shows a row with as little movement as will do; returns where the bar has to be put. */
  reveal(row: number): number {
    const { rowHeight, view } = this.#scale
    const at = row * rowHeight
    if (at < this.#top) return this.go(at)
    if (at + rowHeight > this.#top + view) return this.go(at + rowHeight - view)
    return this.settle()
  }

  /** The list or the view has another size; returns where the bar has to be put. */
  resize(scale: Scale): number {
    this.#scale = scale
    return this.go(this.#top)
  }
}
