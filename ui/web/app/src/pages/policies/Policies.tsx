import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { policiesQuery } from '../../api/alerts'
import { nodeQuery } from '../../api/queries'
import type { Policy } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Notice } from '../../parts/Notice'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { kindWords } from '../../words/detail'
import { type Column, DetailTable } from '../DetailTable'
import { Held } from './Held'

/** What hosts ought to be like. */
export function PoliciesPage() {
  useTitle('Policies')
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const policies = useQuery(policiesQuery)
  return (
    <div className={card.page}>
      <header className={card.head}>
        <div>
          <h1>Policies</h1>
          <p>What hosts ought to be like. Sites judge it themselves, with or without their controller.</p>
        </div>
      </header>
      <Refusal error={policies.error} title="The policies cannot be read" />
      {policies.data?.length === 0 ? (
        <Notice tone="none" title="No policy yet">
          <code>skerry policies put -f FILE</code> makes one.
        </Notice>
      ) : policies.data ? (
        <section className={card.card}>
          <DetailTable
            label="Policies"
            rows={policies.data}
            columns={controller ? [...columns, heldColumn, changed] : [...columns, origin, changed]}
            first="name"
            empty=""
          />
        </section>
      ) : null}
    </div>
  )
}

const columns: Column<Policy>[] = [
  {
    id: 'name',
    title: 'Policy',
    value: (p) => p.name,
    show: (p) => (
      <>
        <Link to="/policies/$policy" params={{ policy: p.id }}>
          {p.name}
        </Link>
        {p.problem ? <small className={card.under}>not read: {p.problem}</small> : null}
      </>
    ),
  },
  {
    id: 'kind',
    title: 'Kind',
    value: (p) => kindWords(p.kind),
    show: (p) => (
      <>
        {kindWords(p.kind)}
        {p.checks_n ? <small className={card.under}>{p.checks_n} checks</small> : null}
      </>
    ),
  },
  { id: 'version', title: 'Version', value: (p) => p.version, fallsFirst: true },
  {
    id: 'where',
    title: 'Hosts',
    value: (p) => p.where ?? '',
    show: (p) => (p.where ? <code>{p.where}</code> : 'every host'),
  },
]

const heldColumn: Column<Policy> = {
  id: 'held',
  title: 'Held by the sites',
  value: (p) => (p.held ? p.held.stale + p.held.missing + p.held.unknown : 0),
  show: (p) => <Held held={p.held} />,
  fallsFirst: true,
}

const origin: Column<Policy> = {
  id: 'origin',
  title: 'Made at',
  value: (p) => p.origin,
  show: (p) => (p.origin === 'controller' ? 'the controller' : 'this site'),
}

const changed: Column<Policy> = {
  id: 'at',
  title: 'Changed',
  value: (p) => p.at,
  show: (p) => (
    <>
      <AsOf at={p.at} />
      <small className={card.under}>by {p.by.replace(/^account:/, '')}</small>
    </>
  ),
  fallsFirst: true,
}
