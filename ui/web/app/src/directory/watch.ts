// Being told of changes while they happen: the server's event stream. It is closed while nobody sees
// the page, because a browser opens few connections to one server, for all its tabs together.

import type { Host } from '../api/types'

export interface Heard {
  change(host: Host): void
  leave(id: string): void
  total(total: number, asOf: string): void
  /** Something was missed: what is shown has to be looked at again. */
  reset(): void
  /** Whether the stream is open. */
  told(open: boolean): void
}

/** What this needs of an EventSource. */
export interface Stream {
  readonly readyState: number
  addEventListener(name: string, act: (e: Event) => void): void
  close(): void
}

/** How long to wait where the server refuses the stream, in milliseconds. */
const refused = 15_000

/** Listens until the function that it returns is called. */
export function watch(
  address: string,
  heard: Heard,
  open: (address: string) => Stream = (a) => new EventSource(a),
  page: Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'> = document,
): () => void {
  let stream: Stream | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let missed = false

  const on = (s: Stream, name: string, act: (data: unknown) => void) =>
    s.addEventListener(name, (e) => {
      if (s !== stream) return
      try {
        act(JSON.parse((e as MessageEvent<string>).data))
      } catch {
        heard.reset()
      }
    })

  const start = () => {
    if (stream || page.visibilityState !== 'visible') return
    clearTimeout(again)
    const s = (stream = open(address))
    s.addEventListener('open', () => {
      if (s !== stream) return
      heard.told(true)
      if (missed) heard.reset()
      missed = false
    })
    s.addEventListener('error', () => {
      if (s !== stream) return
      missed = true
      heard.told(false)
      // A connection that broke is opened again by the browser; one that was refused is not.
      if (s.readyState === 2) {
        end()
        again = setTimeout(start, refused)
      }
    })
    on(s, 'change', (d) => heard.change((d as { host: Host }).host))
    on(s, 'leave', (d) => heard.leave((d as { id: string }).id))
    on(s, 'total', (d) => heard.total((d as { total: number }).total, (d as { as_of: string }).as_of))
    on(s, 'reset', () => heard.reset())
  }

  const end = () => {
    stream?.close()
    stream = undefined
    clearTimeout(again)
  }

  const seen = () => {
    if (page.visibilityState === 'visible') start()
    else {
      end()
      missed = true
      heard.told(false)
    }
  }

  page.addEventListener('visibilitychange', seen)
  start()
  return () => {
    page.removeEventListener('visibilitychange', seen)
    end()
  }
}
