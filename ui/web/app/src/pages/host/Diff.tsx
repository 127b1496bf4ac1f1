import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { diffQuery } from '../../api/host'
import type { Certificate, HostDiff, Package } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import type { HistoryKind } from '../../words/detail'
import { dayOf, instant } from '../../words/time'
import { type Column, DetailTable } from '../DetailTable'
import classes from './Host.module.css'

interface Change {
  how: string
  what: string
  from: string
  to: string
}

/** What turned one version into another. */
export function Diff({ host, kind, from, to }: { host: string; kind: HistoryKind; from: number; to: number }) {
  const query = useQuery(diffQuery(host, kind, from, to))
  const d = query.data?.diff
  const rows = d ? changes(d) : []
  return (
    <section className={classes.diff} aria-label="What changed">
      <Refusal error={query.error} title="The two versions cannot be compared now" />
      {d?.os_from || d?.os_to ? (
        <p className={card.note}>
          The system was {d.os_from || 'not known'} and is {d.os_to || 'not known'}.
        </p>
      ) : null}
      {d && kind === 'facts' ? (
        <p className={card.note}>
          {d.sections && d.sections.length > 0 ? `What differs: ${d.sections.join(', ')}.` : 'Nothing differs.'}
        </p>
      ) : d ? (
        <DetailTable label="What changed" rows={rows} columns={columns} first="what" empty="Nothing differs." />
      ) : query.error ? null : (
        <Skeleton height={80} radius="md" />
      )}
    </section>
  )
}

function changes(d: HostDiff): Change[] {
  const pack = (p: Package) => (p.arch ? `${p.name} (${p.arch})` : p.name)
  const cert = (c: Certificate) => `${c.subject || c.names?.[0] || c.fingerprint} at ${c.path}`
  const until = (c: Certificate) => {
    const t = instant(c.not_after)
    return t === undefined ? c.serial : `until ${dayOf(t)}`
  }
  return [
    ...(d.added_packages ?? []).map((p): Change => ({ how: p.change, what: pack(p), from: '', to: p.version })),
    ...(d.removed_packages ?? []).map((p): Change => ({ how: p.change, what: pack(p), from: p.version, to: '' })),
    ...(d.changed_packages ?? []).map((p): Change => ({
      how: p.change,
      what: p.arch ? `${p.name} (${p.arch})` : p.name,
      from: p.from,
      to: p.to,
    })),
    ...(d.added_certificates ?? []).map((c): Change => ({ how: 'added', what: cert(c), from: '', to: until(c) })),
    ...(d.removed_certificates ?? []).map((c): Change => ({ how: 'removed', what: cert(c), from: until(c), to: '' })),
    ...(d.changed_certificates ?? []).map((c): Change => ({
      how: 'changed',
      what: cert(c.to),
      from: until(c.from),
      to: until(c.to),
    })),
  ]
}

const columns: Column<Change>[] = [
  { id: 'what', title: 'What', value: (c) => c.what },
  {
    id: 'how',
    title: 'How',
    value: (c) => c.how,
    show: (c) => <span data-how={c.how}>{c.how}</span>,
  },
  { id: 'from', title: 'From', value: (c) => c.from },
  { id: 'to', title: 'To', value: (c) => c.to },
]
