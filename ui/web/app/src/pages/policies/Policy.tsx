import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { policyQuery } from '../../api/alerts'
import { nodeQuery } from '../../api/queries'
import type { Policy } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Facts } from '../../parts/Facts'
import { Light } from '../../parts/Light'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { heldWords, kindWords } from '../../words/detail'
import { type Column, DetailTable } from '../DetailTable'
import { Held } from './Held'
import { Results } from './Results'

/** One policy: what it asks for, who has which version of it, and which hosts meet it. */
export function PolicyPage() {
  const id = useParams({ from: '/policies/$policy' }).policy
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const query = useQuery(policyQuery(id))
  const policy = query.data
  useTitle(policy?.name ?? 'Policy')
  return (
    <div className={card.page}>
      <nav aria-label="Way back" className={card.crumb}>
        <Link to="/policies">← Policies</Link>
      </nav>
      <Refusal error={query.error} title="This policy cannot be shown" />
      {policy ? <Content policy={policy} controller={controller} /> : query.error ? null : <Skeleton height={300} />}
    </div>
  )
}

function Content({ policy, controller }: { policy: Policy; controller: boolean }) {
  const rows: [string, ReactNode][] = [['For', policy.where ? <code>{policy.where}</code> : 'every host']]
  if (controller) {
    rows.push(['Sites', policy.all_sites ? 'all of them' : (policy.sites ?? []).join(', ') || 'none'])
    rows.push(['Held by', <Held held={policy.held} />])
  } else {
    rows.push(['Made at', policy.origin === 'controller' ? 'the controller' : 'this site'])
  }
  return (
    <>
      <header className={card.head}>
        <h1>{policy.name}</h1>
        {policy.problem ? (
          <Light said={{ tone: 'warn', word: 'Not read here', reason: policy.problem }} strong />
        ) : null}
      </header>
      <section className={card.card}>
        <h2>
          {kindWords(policy.kind)}
          <small>
            version {policy.version}, changed <AsOf at={policy.at} /> by {policy.by.replace(/^account:/, '')}
          </small>
        </h2>
        {policy.problem ? <p className={card.note}>{policy.problem}</p> : null}
        <Facts rows={rows} />
        <details>
          <summary>What it asks for</summary>
          <pre className={card.code} tabIndex={0} aria-label="Body of the policy">
            {JSON.stringify(policy.body, null, 2)}
          </pre>
        </details>
      </section>
      {controller ? (
        <section className={card.card}>
          <h2>Versions at the sites</h2>
          <DetailTable
            label="Versions at the sites"
            rows={policy.held_by ?? []}
            columns={holders(policy.version)}
            first="state"
            empty="It is assigned to no site."
          />
        </section>
      ) : null}
      {policy.kind === 'compliance_baseline' ? <Results policy={policy} controller={controller} /> : null}
    </>
  )
}

type Holder = NonNullable<Policy['held_by']>[number]

const urgency = ['current', 'extra', 'unknown', 'missing', 'stale']

const holders = (version: number): Column<Holder>[] => [
  {
    id: 'site',
    title: 'Site',
    value: (h) => h.site,
    show: (h) => (
      <Link to="/sites/$site" params={{ site: h.site }}>
        {h.site}
      </Link>
    ),
  },
  {
    id: 'state',
    title: 'State',
    value: (h) => urgency.indexOf(h.state),
    show: (h) => <Light said={heldWords(h.state)} />,
    fallsFirst: true,
  },
  {
    id: 'version',
    title: 'Version',
    value: (h) => h.version ?? 0,
    show: (h) =>
      h.version === undefined ? (
        <span className="muted">none</span>
      ) : h.version === version ? (
        h.version
      ) : (
        `${h.version} of ${version}`
      ),
  },
  { id: 'link', title: 'Link', value: (h) => h.link },
  {
    id: 'as_of',
    title: 'Said',
    value: (h) => h.as_of ?? '',
    show: (h) => <AsOf at={h.as_of} />,
    fallsFirst: true,
  },
]
