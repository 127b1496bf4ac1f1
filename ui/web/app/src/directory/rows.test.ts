import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Host, Hosts } from '../api/types'
import { readOrder } from './order'
import { Directory, pageRows, type Source } from './rows'

const zero = { critical: 0, high: 0, medium: 0, low: 0, none: 0, unknown: 0, uncertain: 0 }

function host(n: number, more: Partial<Host> = {}): Host {
  const name = `h-${String(n).padStart(7, '0')}`
  return {
    id: name,
    site_id: 's',
    site: 'oslo',
    hostname: name,
    os: {},
    status: 'up',
    package_n: 0,
    certificate_n: 0,
    exposure: zero,
    worst: 'unmatched',
    as_of: {},
    ...more,
  } as Host
}

/** A server with hosts in order, whose cursors are their names. */
class Server implements Source {
  asked: string[] = []
  fail: Error | undefined
  hosts: Host[]
  constructor(hosts: Host[]) {
    this.hosts = hosts
  }

  async page(after: string | undefined, limit: number, signal: AbortSignal): Promise<Hosts> {
    this.asked.push(`page ${after ?? ''}`)
    await null
    signal.throwIfAborted()
    if (this.fail) throw this.fail
    const at = after === undefined ? 0 : this.hosts.findIndex((h) => h.id > after)
    const found = at < 0 ? [] : this.hosts.slice(at, at + limit)
    const more = at >= 0 && at + limit < this.hosts.length
    return {
      hosts: found,
      total: this.hosts.length,
      next: more ? found.at(-1)!.id : undefined,
      as_of: '2026-11-21T22:00:00Z',
      took_us: 900,
      query: '',
      sort: 'name',
    }
  }

  async behind(n: number, signal: AbortSignal) {
    this.asked.push(`behind ${n}`)
    await null
    signal.throwIfAborted()
    return { after: this.hosts.length > n ? this.hosts[n - 1]!.id : undefined, total: this.hosts.length }
  }
}

/** A million hosts of which none is made before it is asked for. */
class Million extends Server {
  readonly n = 1_000_000
  constructor() {
    super([])
  }
  override async page(after: string | undefined, limit: number): Promise<Hosts> {
    this.asked.push(`page ${after ?? ''}`)
    await null
    const at = after === undefined ? 0 : Number(after.slice(2)) + 1
    const found = Array.from({ length: Math.min(limit, this.n - at) }, (_, i) => host(at + i))
    const next = at + limit < this.n ? found.at(-1)!.id : undefined
    return { hosts: found, total: this.n, next, as_of: '', took_us: 1, query: '', sort: 'name' }
  }
  override async behind(n: number) {
    this.asked.push(`behind ${n}`)
    await null
    return { after: n < this.n ? host(n - 1).id : undefined, total: this.n }
  }
}

const some = (n: number) => Array.from({ length: n }, (_, i) => host(i))
const settle = () => vi.advanceTimersByTimeAsync(200)
const byName = readOrder('')

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function opened(server: Server, order = byName) {
  const d = new Directory(server, order)
  d.look(0, 30)
  await settle()
  return d
}

test('the first page tells how many there are', async () => {
  const d = new Directory(new Server(some(450)), byName, () => 77)
  expect(d.summary().ready).toBe(false)
  d.look(0, 30)
  await settle()
  expect(d.summary()).toMatchObject({ ready: true, rows: 450, total: 450, tookUs: 900, answeredAt: 77, waiting: 0 })
  expect(d.row(29)?.id).toBe('h-0000029')
  expect(d.row(200)).toBeUndefined()
  d.close()
})

test('pages follow by cursor while they come into view', async () => {
  const server = new Server(some(450))
  const d = await opened(server)
  d.look(180, 230)
  await settle()
  d.look(390, 450)
  await settle()
  expect(d.row(449)?.id).toBe('h-0000449')
  expect(server.asked).toEqual(['page ', 'page h-0000199', 'page h-0000399'])
})

test('a far jump lands by number, once it rests, and goes on by cursor', async () => {
  const server = new Million()
  const d = await opened(server)
  for (let at = 10_000; at <= 500_000; at += 10_000) d.look(at, at + 30)
  await settle()
  expect(d.row(500_000)?.id).toBe('h-0500000')
  expect(server.asked).toEqual(['page ', 'behind 500000', 'page h-0499999'])
  d.look(500_190, 500_220)
  await settle()
  expect(server.asked.at(-1)).toBe('page h-0500199')
  d.look(999_990, 1_000_000)
  await settle()
  expect(d.row(999_999)?.id).toBe('h-0999999')
  expect(d.summary().rows).toBe(1_000_000)
})

test('the memory is bounded, and what was seen is found again without counting', async () => {
  const server = new Million()
  const d = await opened(server)
  for (let n = 0; n < 60; n++) {
    d.look(n * pageRows, n * pageRows + 30)
    await settle()
  }
  expect(d.held).toBe(20)
  d.look(0, 30)
  await settle()
  expect(d.row(0)?.id).toBe('h-0000000')
  expect(server.asked.some((a) => a.startsWith('behind'))).toBe(false)
})

test('a change is shown in its place and marked', async () => {
  const d = await opened(new Server(some(50)))
  d.changed(host(3, { status: 'down' }))
  d.counted(51, 'now')
  await settle()
  expect(d.summary()).toMatchObject({ total: 51, asOf: 'now' })
  expect(d.row(3)?.status).toBe('down')
  expect(d.mark('h-0000003')).toBe(1)
  expect(d.summary().waiting).toBe(0)
  d.changed(host(3, { status: 'down', last_seen: '2026-11-21T22:00:00Z' }))
  expect(d.mark('h-0000003')).toBe(1)
})

test('what would move rows waits for a refresh, and is counted once', async () => {
  const server = new Server(some(50))
  const d = await opened(server)
  const renamed = host(3, { hostname: 'z' })
  let said = 0
  d.subscribe(() => said++)
  d.changed(renamed)
  d.changed(renamed)
  expect(d.row(3)?.hostname).toBe('z')
  d.gone('h-0000005')
  d.gone('h-0000005')
  d.gone('not here')
  d.changed(host(7, { id: 'new', hostname: 'h-0000006b' }))
  await settle()
  expect(said, 'changes that come together are shown together').toBe(1)
  expect(d.summary().waiting).toBe(3)
  expect(d.hasLeft('h-0000005')).toBe(true)
  expect(d.row(5)?.id).toBe('h-0000005')

  server.hosts = server.hosts.filter((h) => h.id !== 'h-0000005')
  d.refresh()
  expect(d.row(5)?.id, 'the old rows stay until the new ones are there').toBe('h-0000005')
  await settle()
  expect(d.row(5)?.id).toBe('h-0000006')
  expect(d.summary()).toMatchObject({ waiting: 0, rows: 49, total: 49 })
})

test('a new host elsewhere does not ask for a refresh', async () => {
  const d = await opened(new Server(some(500)))
  d.changed(host(7, { id: 'new', hostname: 'h-0000400b' }))
  await settle()
  expect(d.summary().waiting).toBe(0)
  d.changed(host(7, { id: 'new', hostname: 'a' }))
  await settle()
  expect(d.summary().waiting).toBe(1)
})

test('ordered by when they were heard of, hosts do not move at each word from them', async () => {
  const d = await opened(new Server(some(50)), readOrder('-seen'))
  d.changed(host(3, { last_seen: '2026-11-21T22:00:00Z' }))
  await settle()
  expect(d.summary().waiting).toBe(0)
})

test('a glance brings values up to date without moving a row', async () => {
  const server = new Server(some(500))
  const d = await opened(server)
  server.hosts = server.hosts.map((h, i) => (i === 2 ? { ...h, status: 'late' as const } : h)).filter((_, i) => i !== 4)
  await d.glance()
  expect(d.row(2)?.status).toBe('late')
  expect(d.row(4)?.id).toBe('h-0000004')
  // The one that went, and the one that came up into this page.
  expect(d.summary()).toMatchObject({ waiting: 2, total: 499 })
})

test('a failure is told, keeps what is there, and ends with the next answer', async () => {
  const server = new Server(some(500))
  const d = await opened(server)
  server.fail = new Error('gone fishing')
  d.look(200, 230)
  await settle()
  expect(d.summary().error).toBe(server.fail)
  expect(d.row(0)?.id).toBe('h-0000000')
  server.fail = undefined
  await d.glance()
  await settle()
  expect(d.row(200)?.id).toBe('h-0000200')
  expect(d.summary().error).toBeUndefined()
})

test('a list that became shorter than the place jumped to ends where it ends', async () => {
  const server = new Server(some(1000))
  const d = await opened(server)
  server.hosts = some(300)
  d.look(900, 930)
  await settle()
  expect(d.summary().rows).toBe(300)
  expect(d.row(299)?.id).toBe('h-0000299')
})

test('nothing matches', async () => {
  const d = await opened(new Server([]))
  expect(d.summary()).toMatchObject({ ready: true, rows: 0, total: 0 })
  d.changed(host(1))
  await settle()
  expect(d.summary().waiting).toBe(1)
})

test('after the end nothing is said or asked', async () => {
  const server = new Server(some(500))
  const d = await opened(server)
  let said = 0
  d.subscribe(() => said++)
  d.look(200, 230)
  d.close()
  d.look(400, 430)
  await settle()
  expect(said).toBe(0)
  expect(server.asked).toEqual(['page ', 'page h-0000199'])
})

test('a range of rows is had whole, from memory and from the server, and nothing in view is forgotten for it', async () => {
  const server = new Million()
  const d = await opened(server)
  const no = new AbortController().signal
  const held = d.held
  const names = async (first: number, end: number) => (await d.between(first, end, no)).map((h) => h.id)
  const want = (first: number, end: number) => Array.from({ length: end - first }, (_, i) => host(first + i).id)
  server.asked = []
  expect(await names(3, 20)).toEqual(want(3, 20))
  expect(server.asked).toEqual([])
  // The second page's cursor is known, and the one behind it comes with its answer.
  expect(await names(150, 450)).toEqual(want(150, 450))
  expect(server.asked).toEqual(['page h-0000199', 'page h-0000399'])
  server.asked = []
  expect(await names(900_123, 900_130)).toEqual(want(900_123, 900_130))
  expect(server.asked).toEqual(['behind 900123', 'page h-0900122'])
  expect(await names(999_990, 1_000_010)).toEqual(want(999_990, 1_000_000))
  expect(d.held).toBe(held)
  expect(d.row(5)?.id).toBe(host(5).id)
  d.close()
})

test('how the server reads a search, and what it remarks of it, comes with every answer', async () => {
  const server = new Server(some(3))
  const note = { message: 'no site has site:olso', pos: 5, end: 9, suggestions: ['oslo'] }
  const plain = server.page.bind(server)
  server.page = async (...args) => ({ ...(await plain(...args)), query: 'site:olso', notes: [note] })
  const d = await opened(server)
  expect(d.summary()).toMatchObject({ query: 'site:olso', sort: 'name', notes: [note] })
  server.page = plain
  await d.glance()
  expect(d.summary()).toMatchObject({ query: '', notes: [] })
  d.close()
})
