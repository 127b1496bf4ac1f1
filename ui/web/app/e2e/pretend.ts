// A server that pretends to know a million hosts: the page as it was built, and as much of the API as the
// page of hosts needs, answered from arithmetic. The real server is tested elsewhere; this is for what
// only numbers show, and for events at the moment that a test wants them.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Host, Hosts } from '../src/api/types'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))

export const names = ['berlin', 'bergen', 'london', 'madrid', 'oslo', 'paris', 'porto', 'rome', 'turku', 'wien'].sort()
const roles = ['app', 'cache', 'db', 'k8s', 'web']
const systems = [
  { id: 'debian', name: 'Debian GNU/Linux 12 (bookworm)', version: '12' },
  { id: 'debian', name: 'Debian GNU/Linux 11 (bullseye)', version: '11' },
  { id: 'ubuntu', name: 'Ubuntu 24.04.1 LTS', version: '24.04' },
  { id: 'rhel', name: 'Red Hat Enterprise Linux 9.4 (Plow)', version: '9.4' },
  { id: 'windows-server', name: 'Windows Server 2022 Datacenter', version: '2022' },
]
const tags = ['pci', 'edge', 'lab', 'prod', 'backup', 'dmz', 'gpu', 'legacy', 'retail', 'hr', 'finance']
const worsts = ['critical', 'high', 'medium', 'low', 'clean', 'unmatched'] as const
const now = Date.parse('2026-11-21T22:00:00Z')

/** A number that looks random and is the same for the same host. */
function dice(i: number, salt: number): number {
  let x = (i ^ (salt * 0x9e3779b9)) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b) >>> 0
  return (x ^ (x >>> 16)) >>> 0
}

export interface Pretender {
  url: string
  /** What was asked, as path and query. */
  asked: string[]
  /** Changes that hosts have had, by number. */
  changes: Map<number, Partial<Host>>
  host(i: number): Host
  /** Sends an event to every page that listens. */
  tell(event: string, data: unknown): void
  close(): Promise<void>
}

/** Starts it. The numbers of hosts are also their places in the order of names. */
export async function pretend(n: number): Promise<Pretender> {
  const per = Math.ceil(n / names.length)
  const listeners = new Set<ServerResponse>()
  const asked: string[] = []
  const changes = new Map<number, Partial<Host>>()
  const saved = new Map<string, object>()
  const counted = new Map<string, number[] | undefined>()

  const value: Record<string, (i: number) => string | string[] | undefined> = {
    status: (i) => {
      const d = dice(i, 1) % 100
      return d < 93 ? 'up' : d < 95 ? 'late' : d < 99 ? 'down' : 'unknown'
    },
    site: (i) => names[Math.floor(i / per)],
    os: (i) => `${systems[dice(i, 2) % 5]!.id} ${systems[dice(i, 2) % 5]!.version}`,
    region: (i) => ['eu-north', 'eu-south', 'eu-west'][Math.floor(i / per) % 3],
    severity: (i) => worsts[dice(i, 3) % worsts.length],
    tag: (i) => tags.filter((_, k) => dice(i, 10 + k) % 7 === 0),
  }
  const nameOf = (i: number) => {
    const within = i % per
    const perRole = Math.ceil(per / roles.length)
    return `${names[Math.floor(i / per)]}-${roles[Math.floor(within / perRole)]}-${String(within % perRole).padStart(6, '0')}`
  }
  const host = (i: number): Host => {
    const worst = value['severity']!(i) as Host['worst']
    const matched = worst !== 'unmatched'
    const sys = systems[dice(i, 2) % 5]!
    return {
      id: `00000000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`,
      site_id: `site-${Math.floor(i / per)}`,
      site: value['site']!(i) as string,
      region: value['region']!(i) as string,
      hostname: nameOf(i),
      fqdn: `${nameOf(i)}.example.org`,
      ipv4: [`10.${i >>> 16}.${(i >>> 8) & 255}.${i & 255}`],
      os: sys,
      kernel: '6.1.0-26-amd64',
      arch: 'x86_64',
      tags: value['tag']!(i) as string[],
      status: value['status']!(i) as Host['status'],
      last_seen: new Date(now - (dice(i, 4) % 90) * 1000).toISOString(),
      package_n: 300 + (dice(i, 5) % 2000),
      certificate_n: 3,
      exposure: {
        critical: worst === 'critical' ? 1 + (dice(i, 6) % 9) : 0,
        high: worst === 'critical' || worst === 'high' ? 1 + (dice(i, 7) % 40) : 0,
        medium: matched ? dice(i, 8) % 60 : 0,
        low: matched ? dice(i, 9) % 30 : 0,
        none: 0,
        unknown: 0,
        uncertain: 0,
      },
      worst,
      updates: matched ? dice(i, 21) % 80 : undefined,
      as_of: { facts: new Date(now).toISOString(), exposure: matched ? new Date(now).toISOString() : undefined },
      ...changes.get(i),
    }
  }

  /** The numbers of the hosts that match; undefined for all. Knows field:value, lists, negation and words. */
  const matches = (q: string): number[] | undefined => {
    if (counted.has(q)) return counted.get(q)
    const tests = [...q.replace(/[()]/g, '').matchAll(/(-?)(?:([a-z]+):)?(\S+)/g)].map(([, not, field, text]) => {
      const wanted = text!.split(',').map((t) => t.replace(':', ' '))
      const get = field ? value[field] : undefined
      const one = (i: number) =>
        get
          ? [get(i)].flat().some((v) => v !== undefined && wanted.includes(v))
          : field === 'id'
            ? text!.split(',').includes(host(i).id)
            : nameOf(i).includes(text!.replaceAll('*', ''))
      return (i: number) => one(i) !== (not === '-')
    })
    let found: number[] | undefined
    if (tests.length > 0) {
      found = []
      for (let i = 0; i < n; i++) if (tests.every((t) => t(i))) found.push(i)
    }
    counted.set(q, found)
    return found
  }

  /** The one form of a search: STATUS=down is status:down. */
  const reading = (q: string) => q.replace(/([A-Za-z]+)=/g, (_, field: string) => `${field.toLowerCase()}:`)

  const remarks = (q: string) =>
    [...q.matchAll(/site:([a-z]+)/g)]
      .filter(([, site]) => !names.includes(site!))
      .map((m) => ({
        message: `no host and no site has ${m[0]}`,
        pos: Buffer.byteLength(q.slice(0, m.index + 5)),
        end: Buffer.byteLength(q.slice(0, m.index + m[0].length)),
        suggestions: ['oslo'],
      }))

  const page = (p: URLSearchParams): Hosts => {
    const typed = p.get('q') ?? ''
    const q = reading(typed)
    const down = p.get('sort')?.startsWith('-') ?? false
    const found = matches(q)
    const total = found?.length ?? n
    const after = p.get('after')
    const start = after ? Number(after) : Number(p.get('skip') ?? 0)
    const end = Math.min(total, start + Number(p.get('limit') ?? 100))
    const hosts = []
    for (let k = start; k < end; k++) {
      const place = down ? total - 1 - k : k
      hosts.push(host(found ? found[place]! : place))
    }
    return {
      hosts,
      total,
      next: end < total ? String(end) : undefined,
      as_of: new Date().toISOString(),
      took_us: 1200,
      query: q,
      sort: p.get('sort')?.replace('last_seen', 'seen') ?? 'name',
      notes: remarks(typed),
    }
  }

  const facets = (p: URLSearchParams) => {
    const found = matches(reading(p.get('q') ?? ''))
    const total = found?.length ?? n
    const step = Math.max(1, Math.floor(total / 20_000))
    return {
      total,
      query: p.get('q') ?? '',
      took_us: 900,
      facets: p
        .get('fields')!
        .split(',')
        .map((field) => {
          const by = new Map<string, number>()
          let none = 0
          for (let k = 0; k < total; k += step) {
            const vs = [value[field]!(found ? found[k]! : k)].flat()
            if (vs.length === 0) none += step
            for (const v of vs) by.set(v!, (by.get(v!) ?? 0) + step)
          }
          const values = [...by].map(([v, c]) => ({ value: v, n: c })).sort((a, b) => b.n - a.n)
          return { field, distinct: values.length, none, values: values.slice(0, Number(p.get('top'))) }
        }),
    }
  }

  const completions = (p: URLSearchParams) => {
    const q = p.get('q') ?? ''
    const at = Number(p.get('at'))
    const m = /(\S*)$/.exec(q.slice(0, at))!
    const [field, typed] = m[1]!.includes(':') ? m[1]!.split(':') : [undefined, m[1]]
    if (field === undefined) {
      const docs: Record<string, string> = {
        'status:': 'whether its agent reports: up, late, down, unknown',
        'site:': 'the site, by name or id',
        'severity:': 'its worst vulnerability',
        'seen:': 'how long ago it was last heard',
        'os:': 'the operating system, with a version after : or a comparison',
        'tag:': 'any one of its tags',
      }
      const items = Object.entries(docs).filter(([k]) => k.startsWith(typed!))
      return { from: m.index, to: at, items: items.map(([text, doc]) => ({ text, doc, n: 0 })) }
    }
    const f = facets(new URLSearchParams({ fields: field in value ? field : 'site', top: '9' })).facets[0]!
    const items = f.values.filter((v) => v.value.startsWith(typed!)).map((v) => ({ text: v.value, n: v.n }))
    return { from: m.index + field.length + 1, to: at, items }
  }

  const slip = (p: URLSearchParams) => {
    if (p.get('sort')?.includes('bogus')) {
      const detail = 'sort: there is no field "bogus"'
      const errors = [{ location: 'query.sort', message: detail }]
      return { title: 'Unprocessable Entity', status: 422, kind: 'invalid', detail, errors }
    }
    const m = /(statsu|[a-z]+:$)/.exec(p.get('q') ?? '')
    if (!m) return undefined
    return {
      title: 'Unprocessable Entity',
      status: 422,
      kind: 'invalid',
      detail: `there is no field "${m[1]}" (column ${m.index + 1}); did you mean status or site?`,
      pos: Buffer.byteLength(m.input.slice(0, m.index)),
      end: Buffer.byteLength(m.input.slice(0, m.index + m[1]!.length)),
      suggestions: ['status', 'site'],
    }
  }

  const api = async (req: IncomingMessage, res: ServerResponse, url: URL) => {
    const p = url.searchParams
    const path = url.pathname.replace('/api/v1', '')
    const wrong = path.startsWith('/hosts') && path !== '/hosts/complete' ? slip(p) : undefined
    if (wrong) return json(res, wrong, 422)
    if (path === '/node')
      return json(res, { role: 'controller', id: 'c', name: 'hq', version: 'test', actor: 'account:admin' })
    if (path === '/fields')
      return json(res, [
        { name: 'status', aliases: ['state'], kind: 'status', sortable: true, counted: true, doc: '', example: '' },
      ])
    if (path === '/hosts') return json(res, page(p))
    if (path === '/hosts/facets') return json(res, facets(p))
    if (path === '/hosts/complete') return json(res, completions(p))
    if (path === '/hosts/export') {
      res.writeHead(200, { 'Content-Type': 'text/csv' })
      return res.end(
        `name\n${page(p)
          .hosts!.map((h) => `${h.hostname}\n`)
          .join('')}`,
      )
    }
    if (path === '/hosts/watch') {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      res.write(': here\n\n')
      listeners.add(res)
      req.on('close', () => listeners.delete(res))
      return
    }
    if (path === '/searches') return json(res, [...saved.values()])
    if (path.startsWith('/searches/')) {
      const name = decodeURIComponent(path.slice('/searches/'.length))
      if (req.method === 'DELETE') {
        saved.delete(name)
        res.writeHead(204)
        return res.end()
      }
      let text = ''
      for await (const chunk of req) text += chunk
      if (p.get('new') === 'true' && saved.has(name))
        return json(
          res,
          { title: 'Conflict', status: 409, kind: 'exists', detail: `a search is saved as "${name}" already` },
          409,
        )
      saved.set(name, { name, reading: '', ...(JSON.parse(text) as object) })
      return json(res, saved.get(name))
    }
    if (path.startsWith('/hosts/')) return json(res, host(parseInt(path.slice(-12), 16)))
    return json(res, { title: 'Not Found', status: 404, kind: 'not_found', detail: `nothing at ${path}` }, 404)
  }

  const file = async (res: ServerResponse, path: string) => {
    const types: Record<string, string> = {
      '.html': 'text/html; charset=utf-8',
      '.js': 'text/javascript',
      '.css': 'text/css',
      '.svg': 'image/svg+xml',
      '.woff2': 'font/woff2',
    }
    const name = extname(path) ? path : '/index.html'
    const type = types[extname(name)] ?? 'text/plain'
    res.writeHead(200, {
      'Content-Type': type,
      'Content-Security-Policy':
        "default-src 'self'; style-src 'self' 'nonce-test'; script-src 'self' 'nonce-test'; base-uri 'none'",
    })
    const body = await readFile(join(dist, name))
    res.end(type.startsWith('text/html') ? body.toString().replaceAll('SKERRY_CSP_NONCE', 'test') : body)
  }

  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://pretend')
    const isApi = url.pathname.startsWith('/api/')
    if (isApi) asked.push(decodeURIComponent(url.pathname + url.search).replaceAll('+', ' '))
    void (isApi ? api(req, res, url) : file(res, url.pathname)).catch((err: unknown) => {
      res.writeHead(500)
      res.end(String(err))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const at = server.address()
  if (typeof at !== 'object' || !at) throw new Error('no port')
  return {
    url: `http://127.0.0.1:${at.port}`,
    asked,
    changes,
    host,
    tell(event, data) {
      for (const l of listeners) l.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    close: () =>
      new Promise((resolve) => {
        for (const l of listeners) l.end()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function json(res: ServerResponse, body: unknown, status = 200): void {
  res.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' })
  res.end(JSON.stringify(body))
}
