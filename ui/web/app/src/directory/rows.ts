// The rows of one search in one order, as far as they were looked at: pages in memory, by number, each
// with the cursor that it begins behind. Pages are read as they come into view and forgotten when many
// others were seen since. What is far from any known cursor is landed on by its number.

import type { Host, Hosts, Note } from '../api/types'
import { moves, notable, type Order } from './order'

/** Where the rows come from. */
export interface Source {
  /** One page: at most `limit` hosts behind a cursor, or the first ones. */
  page(after: string | undefined, limit: number, signal: AbortSignal): Promise<Hosts>
  /** The cursor behind the first `n` hosts, absent where there are not more than that; and how many there are. */
  behind(n: number, signal: AbortSignal): Promise<{ after?: string; total: number }>
}

/** What is known of the whole. It is another object whenever anything changed, rows included. */
export interface Summary {
  /** Whether there was an answer yet. */
  ready: boolean
  /** Rows of the list as it is laid out. */
  rows: number
  /** Hosts that match now. */
  total: number
  tookUs: number
  asOf: string
  /** The search and the order as the server read them, and what it remarks of the search. */
  query: string
  sort: string
  notes: Note[]
  /** When the server last answered for what is in view, in milliseconds of this machine; 0: never. */
  answeredAt: number
  /** Changes that would move rows, and wait for a refresh. */
  waiting: number
  error: unknown
}

interface Page {
  after: string | undefined
  hosts: Host[]
}

/** How many rows a page has. */
export const pageRows = 200
const keepPages = 20
/** How long a far jump rests before it lands, in milliseconds: a pull of the bar passes many places. */
const landing = 80

/** How long changes are gathered before they are shown, in milliseconds. */
const together = 100

export class Directory {
  readonly #source: Source
  readonly #order: Order
  readonly #now: () => number
  readonly #listeners = new Set<() => void>()
  /** The pages in memory; the one in view longest ago comes first. */
  readonly #pages = new Map<number, Page>()
  readonly #cursors = new Map<number, string | undefined>([[0, undefined]])
  readonly #loads = new Map<number, AbortController>()
  /** What stood there before a refresh, shown until the new rows are there. */
  #old = new Map<number, Page>()
  #land: { page: number; timer: ReturnType<typeof setTimeout> } | undefined
  #view: [first: number, end: number] = [0, 1]
  #ahead = 0
  #looking: AbortController | undefined
  #later: { news: Partial<Summary>; timer: ReturnType<typeof setTimeout> } | undefined
  /** Hosts that stand elsewhere now, and those that no longer match. */
  readonly #moved = new Set<string>()
  readonly #left = new Set<string>()
  /** How often a row in view has changed since it was read, to mark it. */
  readonly #marks = new Map<string, number>()
  #closed = false
  #summary: Summary = {
    ready: false,
    rows: 0,
    total: 0,
    tookUs: 0,
    asOf: '',
    query: '',
    sort: '',
    notes: [],
    answeredAt: 0,
    waiting: 0,
    error: undefined,
  }

  constructor(source: Source, order: Order, now: () => number = Date.now) {
    this.#source = source
    this.#order = order
    this.#now = now
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly summary = (): Summary => this.#summary

  /** The host of a row, where it is in memory. */
  row(i: number): Host | undefined {
    const n = Math.floor(i / pageRows)
    return (this.#pages.get(n) ?? this.#old.get(n))?.hosts[i % pageRows]
  }

  /**
   * The hosts of the rows from the first to before the last. Those that are not in memory are read; they are not
   * kept, so that a long range does not push out what is in view.
   */
  async between(first: number, end: number, signal: AbortSignal): Promise<Host[]> {
    const found: Host[] = []
    let after: string | undefined
    for (let at = first; at < end;) {
      const host = this.row(at)
      if (host) {
        found.push(host)
        after = undefined
        at++
        continue
      }
      const n = Math.floor(at / pageRows)
      if (after === undefined && (at % pageRows > 0 || !this.#cursors.has(n))) {
        after = (await this.#source.behind(at, signal)).after
        if (after === undefined) break
      }
      after ??= this.#cursors.get(n)
      // As far as the page goes that this row is in: the next one may be in memory.
      const answer = await this.#source.page(after, Math.min(end, (n + 1) * pageRows) - at, signal)
      found.push(...(answer.hosts ?? []))
      at = first + found.length
      after = answer.next
      if (after === undefined) break
    }
    return found
  }

  /** How often a host has changed on the page since it was read. */
  mark(id: string): number {
    return this.#marks.get(id) ?? 0
  }

  /** Whether a host that is shown no longer matches. */
  hasLeft(id: string): boolean {
    return this.#left.has(id)
  }

  /** How many pages are in memory. */
  get held(): number {
    return this.#pages.size
  }

  /** Says which rows are in view, from the first to before the last, and reads them and `ahead` more around. */
  look(first: number, end: number, ahead = 0): void {
    this.#view = [first, Math.max(first + 1, end)]
    this.#ahead = ahead
    this.#fill()
  }

  /** Reads everything in view anew; the old rows stay until the new ones are there. */
  refresh(): void {
    for (const load of this.#loads.values()) load.abort()
    this.#loads.clear()
    this.#looking?.abort()
    this.#looking = undefined
    this.#old = new Map(this.#pages)
    this.#pages.clear()
    this.#cursors.clear()
    this.#cursors.set(0, undefined)
    this.#forgetChanges()
    this.#say({ error: undefined })
    this.#fill()
  }

  /**
   * Looks again at the rows in view, without moving any: values are brought up to date in their places,
   * and what no longer stands there is counted.
   */
  async glance(): Promise<void> {
    if (this.#looking || this.#closed) return
    if (!this.#summary.ready) return this.#fill()
    const stop = (this.#looking = new AbortController())
    try {
      for (const n of this.#inView()) {
        const page = this.#pages.get(n)
        if (!page) continue
        const answer = await this.#source.page(page.after, pageRows, stop.signal)
        if (stop.signal.aborted || this.#pages.get(n) !== page) continue
        this.#merge(page, answer)
      }
      this.#fill()
    } catch (error) {
      if (!stop.signal.aborted) this.#say({ error })
    } finally {
      if (this.#looking === stop) this.#looking = undefined
    }
  }

  /** A host that matches is new, or other than it was. */
  changed(host: Host): void {
    if (!this.#put(host)) {
      if (!this.#withinView(host) || this.#moved.has(host.id)) return
      this.#moved.add(host.id)
    }
    this.#soon({})
  }

  /** A host no longer matches. */
  gone(id: string): void {
    if (!this.#find(id) || this.#left.has(id)) return
    this.#moved.delete(id)
    this.#left.add(id)
    this.#soon({})
  }

  /** How many hosts match now. */
  counted(total: number, asOf: string): void {
    this.#soon({ total, asOf })
  }

  /** Ends what is under way. */
  close(): void {
    this.#closed = true
    for (const load of this.#loads.values()) load.abort()
    this.#looking?.abort()
    if (this.#land) clearTimeout(this.#land.timer)
    this.#land = undefined
    clearTimeout(this.#later?.timer)
    this.#listeners.clear()
  }

  /** Says so in a moment, together with what else comes until then: hundreds may change in a second. */
  #soon(news: Partial<Summary>): void {
    if (this.#closed) return
    this.#later ??= { news: {}, timer: setTimeout(() => this.#say({}), together) }
    Object.assign(this.#later.news, news)
  }

  #say(news: Partial<Summary>): void {
    if (this.#closed) return
    const later = this.#later
    this.#later = undefined
    clearTimeout(later?.timer)
    this.#summary = { ...this.#summary, ...later?.news, ...news, waiting: this.#moved.size + this.#left.size }
    for (const l of [...this.#listeners]) l()
  }

  #forgetChanges(): void {
    this.#moved.clear()
    this.#left.clear()
    this.#marks.clear()
  }

  /** The numbers of the pages in view, with so many rows more around. */
  #inView(around = 0): number[] {
    const end = this.#view[1] + around
    const last = this.#summary.ready ? Math.max(0, Math.min(end, this.#summary.rows) - 1) : 0
    const from = Math.floor(Math.min(Math.max(0, this.#view[0] - around), last) / pageRows)
    return Array.from({ length: Math.floor(last / pageRows) - from + 1 }, (_, i) => from + i)
  }

  #fill(): void {
    if (this.#closed) return
    const wanted = this.#inView(this.#ahead)
    for (const [n, load] of this.#loads) {
      if (wanted.includes(n)) continue
      load.abort()
      this.#loads.delete(n)
    }
    let land: number | undefined
    let missing = false
    for (const n of wanted) {
      const page = this.#pages.get(n)
      if (page) {
        this.#pages.delete(n)
        this.#pages.set(n, page)
        continue
      }
      missing = true
      if (this.#loads.has(n)) continue
      if (this.#cursors.has(n)) this.#load(n)
      // The page before it is on its way, and brings its cursor.
      else if (!this.#loads.has(n - 1) && land === undefined) land = n
    }
    if (!missing) this.#old.clear()
    this.#landOn(land)
  }

  #landOn(page: number | undefined): void {
    if (this.#land?.page === page) return
    if (this.#land) clearTimeout(this.#land.timer)
    this.#land =
      page === undefined
        ? undefined
        : {
            page,
            timer: setTimeout(() => {
              this.#land = undefined
              this.#load(page)
            }, landing),
          }
  }

  #load(n: number): void {
    const stop = new AbortController()
    this.#loads.set(n, stop)
    void this.#read(n, stop.signal).then(
      (done) => {
        if (stop.signal.aborted) return
        this.#loads.delete(n)
        if (done) this.#fill()
      },
      (error: unknown) => {
        if (stop.signal.aborted) return
        this.#loads.delete(n)
        this.#say({ error })
      },
    )
  }

  async #read(n: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#cursors.has(n)) {
      const { after, total } = await this.#source.behind(n * pageRows, signal)
      if (signal.aborted) return false
      if (after === undefined) {
        // There are fewer hosts than there were.
        this.#say({ rows: Math.min(total, n * pageRows), total })
        return true
      }
      this.#cursors.set(n, after)
    }
    const after = this.#cursors.get(n)
    const answer = await this.#source.page(after, pageRows, signal)
    if (signal.aborted) return false
    const hosts = answer.hosts ?? []
    this.#pages.set(n, { after, hosts })
    for (const n of this.#pages.keys()) {
      if (this.#pages.size <= keepPages) break
      this.#pages.delete(n)
    }
    if (answer.next) this.#cursors.set(n + 1, answer.next)
    const end = n * pageRows + hosts.length
    this.#say({
      ready: true,
      rows: answer.next ? Math.max(answer.total, end + 1) : end,
      ...this.#heard(answer),
    })
    return true
  }

  #heard(answer: Hosts): Partial<Summary> {
    return {
      total: answer.total,
      tookUs: answer.took_us,
      asOf: answer.as_of,
      query: answer.query,
      sort: answer.sort,
      notes: answer.notes ?? [],
      answeredAt: this.#now(),
      error: undefined,
    }
  }

  #merge(page: Page, answer: Hosts): void {
    const hosts = answer.hosts ?? []
    const there = new Set(hosts.map((h) => h.id))
    const here = new Set(page.hosts.map((h) => h.id))
    for (const h of hosts) {
      if (here.has(h.id)) this.#put(h)
      else this.#moved.add(h.id)
    }
    for (const h of page.hosts) if (!there.has(h.id) && !this.#left.has(h.id)) this.#moved.add(h.id)
    this.#say(this.#heard(answer))
  }

  #find(id: string): { page: Page; at: number } | undefined {
    for (const page of this.#pages.values()) {
      const at = page.hosts.findIndex((h) => h.id === id)
      if (at >= 0) return { page, at }
    }
    return undefined
  }

  /** Puts a host in the place where it stands; false where it stands nowhere. */
  #put(host: Host): boolean {
    const found = this.#find(host.id)
    if (!found) return false
    const before = found.page.hosts[found.at]!
    found.page.hosts[found.at] = host
    if (notable(before) !== notable(host)) this.#marks.set(host.id, this.mark(host.id) + 1)
    if (moves(this.#order, before, host)) this.#moved.add(host.id)
    this.#left.delete(host.id)
    return true
  }

  /** Whether a host that is not among the rows would stand between those in view; told by name only. */
  #withinView(host: Host): boolean {
    if (this.#order.field !== 'name' || !this.#summary.ready) return false
    const [first, end] = this.#view
    const name = host.hostname.toLowerCase()
    const [above, below] = [this.row(first), this.row(end - 1)]
    const sign = this.#order.down ? -1 : 1
    const behind = (h: Host | undefined) => h !== undefined && name.localeCompare(h.hostname.toLowerCase()) * sign >= 0
    const before = (h: Host | undefined) => h !== undefined && name.localeCompare(h.hostname.toLowerCase()) * sign <= 0
    return (first === 0 || behind(above)) && (end >= this.#summary.rows || before(below))
  }
}
