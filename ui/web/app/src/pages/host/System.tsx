import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { factsQuery } from '../../api/host'
import type { Host, OSFacts } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Facts } from '../../parts/Facts'
import { count, plural } from '../../words/count'
import { yesNo } from '../../words/host'
import { type Column, DetailTable } from '../DetailTable'
import { Asked } from './Asked'
import classes from './Host.module.css'

/** What the agent found out about the machine and its system. */
export function HostSystem({ host }: { host: Host }) {
  const query = useQuery(factsQuery(host.id))
  return (
    <Asked title="Facts" query={query}>
      {(a) => (a.as_of || !a.lacking ? <Content facts={a.facts} /> : null)}
    </Asked>
  )
}

function Content({ facts: f }: { facts: OSFacts }) {
  const rows: [string, ReactNode][] = []
  const add = (name: string, ...parts: (string | number | undefined | false)[]) => {
    const text = parts.filter(Boolean).join(' · ')
    if (text) rows.push([name, text])
  }
  add('Machine', f.dmi.vendor, f.dmi.product, f.dmi.version)
  add('Board', f.dmi.board, f.dmi.chassis)
  add('Firmware', f.dmi.bios_vendor, f.dmi.bios_version, f.dmi.bios_date)
  add('Processor', f.cpu.model || f.cpu.vendor)
  add(
    'Cores',
    f.cpu.sockets && plural(f.cpu.sockets, 'socket'),
    f.cpu.cores && plural(f.cpu.cores, 'core'),
    f.cpu.threads && plural(f.cpu.threads, 'thread'),
  )
  add('Time zone', f.time_zone)
  add('Time service', f.ntp.service)
  rows.push(['Time agreed', yesNo(f.ntp.synchronised)])
  const sections = [
    list('Mounts', f.mounts, mounts, 'target'),
    list('Disks', f.disks, disks, 'name'),
    list('Interfaces', f.interfaces, interfaces, 'name'),
    list('Sockets that wait', f.listeners, listeners, 'port'),
    list('Services', f.services, services, 'unit'),
    list('Logins', f.users, users, 'name'),
    list('Kernel settings', f.sysctls, sysctls, 'name'),
    list(
      'Kernel modules',
      f.modules?.map((name) => ({ name })),
      modules,
      'name',
    ),
  ]
  return (
    <>
      <Facts wide rows={rows} />
      {f.cut && f.cut.length > 0 ? <p className={card.note}>Not whole: {f.cut.join(', ')}.</p> : null}
      {sections}
    </>
  )
}

function list<T extends object>(title: string, rows: T[] | null | undefined, columns: Column<T>[], first: string) {
  if (!rows || rows.length === 0) return null
  return (
    <details key={title} className={classes.section}>
      <summary>
        {title} <b>{count(rows.length)}</b>
      </summary>
      <DetailTable label={title} rows={rows} columns={columns} first={first} empty="" />
    </details>
  )
}

type Row<K extends keyof OSFacts> = NonNullable<OSFacts[K]> extends (infer T)[] ? T : never

const mb = (n: number | undefined) => (n === undefined ? '' : `${count(n)} MiB`)

const mounts: Column<Row<'mounts'>>[] = [
  { id: 'target', title: 'At', value: (m) => m.target },
  { id: 'source', title: 'From', value: (m) => m.source },
  { id: 'type', title: 'Type', value: (m) => m.type },
  { id: 'size', title: 'Size', value: (m) => m.size_mb ?? 0, show: (m) => mb(m.size_mb) },
  { id: 'ro', title: 'Writing', value: (m) => (m.read_only ? 'read only' : '') },
]
const disks: Column<Row<'disks'>>[] = [
  { id: 'name', title: 'Disk', value: (d) => d.name },
  { id: 'model', title: 'Model', value: (d) => d.model ?? '' },
  { id: 'serial', title: 'Serial', value: (d) => d.serial ?? '' },
  { id: 'size', title: 'Size', value: (d) => d.size_mb ?? 0, show: (d) => mb(d.size_mb) },
]
const interfaces: Column<Row<'interfaces'>>[] = [
  { id: 'name', title: 'Interface', value: (i) => i.name },
  { id: 'addresses', title: 'Addresses', value: (i) => (i.addresses ?? []).join(' ') },
  { id: 'mac', title: 'MAC', value: (i) => i.mac ?? '' },
  { id: 'up', title: 'State', value: (i) => (i.up ? 'up' : 'down') },
  {
    id: 'speed',
    title: 'Speed',
    value: (i) => i.speed_mbit ?? 0,
    show: (i) => (i.speed_mbit ? `${count(i.speed_mbit)} Mbit/s` : ''),
  },
]
const listeners: Column<Row<'listeners'>>[] = [
  { id: 'port', title: 'Port', value: (l) => l.port },
  { id: 'protocol', title: 'Protocol', value: (l) => l.protocol },
  { id: 'address', title: 'Address', value: (l) => l.address },
  { id: 'process', title: 'Process', value: (l) => l.process ?? '' },
]
const services: Column<Row<'services'>>[] = [
  { id: 'unit', title: 'Service', value: (s) => s.unit },
  { id: 'by', title: 'Kept by', value: (s) => s.by },
]
const users: Column<Row<'users'>>[] = [
  { id: 'name', title: 'Name', value: (u) => u.name },
  { id: 'uid', title: 'Uid', value: (u) => u.uid },
  { id: 'home', title: 'Home', value: (u) => u.home ?? '' },
  { id: 'shell', title: 'Shell', value: (u) => u.shell },
]
const sysctls: Column<Row<'sysctls'>>[] = [
  { id: 'name', title: 'Setting', value: (s) => s.name },
  { id: 'value', title: 'Value', value: (s) => s.value },
]
const modules: Column<{ name: string }>[] = [{ id: 'name', title: 'Module', value: (m) => m.name }]
