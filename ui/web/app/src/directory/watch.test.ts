import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watch, type Heard } from './watch'

class Stream extends EventTarget {
  readyState: 0 | 1 | 2 = 1
  closed = false
  close() {
    this.closed = true
  }
  say(name: string, data?: unknown) {
    this.dispatchEvent(new MessageEvent(name, { data: typeof data === 'string' ? data : JSON.stringify(data) }))
  }
}

class Page extends EventTarget {
  visibilityState: DocumentVisibilityState = 'visible'
  turn(to: DocumentVisibilityState) {
    this.visibilityState = to
    this.dispatchEvent(new Event('visibilitychange'))
  }
}

function started() {
  const streams: Stream[] = []
  const page = new Page()
  const heard: string[] = []
  const hear: Heard = {
    change: (h) => heard.push(`change ${h.id}`),
    leave: (id) => heard.push(`leave ${id}`),
    total: (n, at) => heard.push(`total ${n} ${at}`),
    reset: () => heard.push('reset'),
    told: (open) => heard.push(open ? 'open' : 'shut'),
  }
  const stop = watch(
    '/watch',
    hear,
    () => {
      const s = new Stream()
      streams.push(s)
      return s
    },
    page as unknown as Document,
  )
  return { streams, page, heard, stop }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what is told is heard', () => {
  const { streams, heard, stop } = started()
  const s = streams[0]!
  s.say('open', {})
  s.say('change', { host: { id: 'a' } })
  s.say('leave', { id: 'b' })
  s.say('total', { total: 3, as_of: 'now' })
  s.say('reset', { reason: 'too fast' })
  s.say('change', 'not JSON')
  expect(heard).toEqual(['open', 'change a', 'leave b', 'total 3 now', 'reset', 'reset'])
  stop()
  expect(s.closed).toBe(true)
  s.say('leave', { id: 'c' })
  expect(heard).toHaveLength(6)
})

test('after a gap everything is looked at again', () => {
  const { streams, heard } = started()
  const s = streams[0]!
  s.say('open', {})
  s.readyState = 0
  s.say('error', {})
  s.readyState = 1
  s.say('open', {})
  expect(heard).toEqual(['open', 'shut', 'open', 'reset'])
  expect(streams).toHaveLength(1)
})

test('a refused stream is asked for again later', async () => {
  const { streams, heard } = started()
  streams[0]!.readyState = 2
  streams[0]!.say('error', {})
  expect(streams).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(streams).toHaveLength(2)
  streams[1]!.say('open', {})
  expect(heard).toEqual(['shut', 'open', 'reset'])
})

test('nobody listens for a page that nobody sees', () => {
  const { streams, page, heard } = started()
  streams[0]!.say('open', {})
  page.turn('hidden')
  expect(streams[0]!.closed).toBe(true)
  page.turn('visible')
  expect(streams).toHaveLength(2)
  streams[1]!.say('open', {})
  expect(heard).toEqual(['open', 'shut', 'open', 'reset'])
})
