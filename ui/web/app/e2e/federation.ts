// A small federation of real processes: a controller, a site, and a gateway that reports made-up hosts.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const repository = fileURLToPath(new URL('../../../..', import.meta.url))

/** The program under test: $SKERRY, or bin/skerry in the repository. */
export const skerry = process.env['SKERRY'] ?? join(repository, 'bin', 'skerry')

export const account = { name: 'admin', password: 'rock in the sea' }

export interface Server {
  name: string
  url: string
  config: string
  start(): Promise<void>
  stop(): Promise<void>
}

export interface Federation {
  controller: Server
  site: Server
  hosts: number
  /** How many of them have packages. */
  inventoried: number
  /** The name of one that has Debian 12 and packages. */
  one: string
  /** A folder that goes with the federation. */
  dir: string
  /** Another controller with nothing in it, which starts and ends with the federation. */
  another(name: string): Promise<Server>
  close(): Promise<void>
}

/** Runs a subcommand and returns what it prints; its messages are in the error when it fails. */
export async function run(...args: string[]): Promise<string> {
  if (!existsSync(skerry))
    throw new Error(`${skerry} does not exist: run \`go build -o bin/ ./appliance/cmd/...\` in ${repository}`)
  const { stdout } = await promisify(execFile)(skerry, args, { maxBuffer: 64 << 20, env: clean() })
  return stdout
}

/** The environment without what would point the program at another server. */
function clean(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('SKERRY')))
}

/**
 * Builds the federation with a site named oslo and as many hosts, and waits until they are known to the controller. extra: gives
 * what else is in the controller's configuration.
 */
export async function federation(hosts: number, extra = (_dir: string) => ''): Promise<Federation> {
  const dir = await mkdtemp(join(tmpdir(), 'skerry-page-'))
  const closers: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })]
  const close = async () => {
    for (const c of closers.reverse()) await c()
  }
  try {
    const controller = await server(dir, 'controller', 'hq', extra(dir))
    closers.push(() => controller.stop())
    await controller.start()
    const site = await server(dir, 'site', 'oslo')
    closers.push(() => site.stop())
    await site.start()

    const password = join(dir, 'password')
    await writeFile(password, account.password, { mode: 0o600 })
    for (const s of [controller, site])
      await run('accounts', 'add', account.name, '--password-file', password, '--config', s.config)

    const invited = await run(
      'sites',
      'enroll',
      'oslo',
      '--location',
      'Oslo, Norway',
      '-o',
      'json',
      '--config',
      controller.config,
    )
    const siteToken = (JSON.parse(invited) as { token: string }).token
    await run('federation', 'enroll', '--controller', controller.url, '--token', siteToken, '--config', site.config)
    await run(
      'advisories',
      'ingest',
      join(repository, 'scripts/sample/data/advisories.tar.zst'),
      '--config',
      controller.config,
    )

    const gateway = await until('the site lets a gateway in', () =>
      run('agents', 'enroll', 'sim', '--gateway', '-o', 'json', '--config', site.config),
    )
    // A site with a critical alert is not OK, and how full the disk of this machine is has no part in the tests.
    await run('alerts', 'rules', 'delete', 'disk-low', '--config', site.config)
    const token = (JSON.parse(gateway) as { token: string }).token
    const simulator = spawn(
      skerry,
      ['simulate', '--site', site.url, '--token', token, '--hosts', String(hosts), '--data', join(dir, 'gateway')],
      { stdio: ['ignore', 'ignore', 'ignore'], env: clean() },
    )
    closers.push(() => ended(simulator))

    let inventoried = 0
    await until('the controller knows every host and its exposure', async () => {
      const sites = JSON.parse(await run('sites', 'list', '-o', 'json', '--config', controller.config)) as {
        hosts: number
        exposure?: { matched_hosts: number }
      }[]
      if (sites[0]?.hosts !== hosts) throw new Error(`${sites[0]?.hosts} hosts`)
      // Not every system has packages that are known.
      inventoried = Number(await run('hosts', 'count', 'packages:>0', '--config', controller.config))
      const matched = sites[0].exposure?.matched_hosts ?? 0
      if (inventoried === 0 || matched !== inventoried) throw new Error(`${matched} of ${inventoried} are matched`)
    })
    const picked = await run('hosts', 'list', 'os:debian:12 packages:>0', '-o', 'json', '--config', controller.config)
    const one = (JSON.parse(picked) as { hosts: { hostname: string }[] }).hosts[0]
    if (!one) throw new Error('no host has Debian 12')
    const another = async (name: string) => {
      const s = await server(dir, 'controller', name)
      closers.push(() => s.stop())
      await s.start()
      return s
    }
    return { controller, site, hosts, inventoried, one: one.hostname, dir, another, close }
  } catch (err) {
    await close()
    throw err
  }
}

async function server(dir: string, role: 'controller' | 'site', name: string, extra = ''): Promise<Server> {
  const address = `127.0.0.1:${await freePort()}`
  const config = join(dir, `${name}.yaml`)
  await writeFile(config, `role: ${role}\nname: ${name}\ndata: ${join(dir, name)}\nlisten: ${address}\n${extra}`)
  let child: ChildProcess | undefined
  return {
    name,
    url: `https://${address}`,
    config,
    async start() {
      const started = spawn(skerry, ['serve', '--config', config], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: clean(),
      })
      child = started
      await new Promise<void>((resolve, reject) => {
        let log = ''
        started.stderr?.on('data', (chunk: Buffer) => {
          log += chunk.toString()
          if (log.includes('msg=ready')) resolve()
        })
        started.once('error', reject)
        started.once('exit', (code) => reject(new Error(`${name} ended with ${code} before it was ready:\n${log}`)))
      })
    },
    async stop() {
      if (child) await ended(child)
      child = undefined
    },
  }
}

/** Asks a process to end, and waits until it has. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await gone
  clearTimeout(late)
}

/** Tries until it succeeds, for up to a minute. */
export async function until<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  const end = Date.now() + 60_000
  for (;;) {
    try {
      return await attempt()
    } catch (err) {
      if (Date.now() > end) throw new Error(`waited in vain until ${what}`, { cause: err })
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port'))))
    })
  })
}
