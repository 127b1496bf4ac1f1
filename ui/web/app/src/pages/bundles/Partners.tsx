import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { partnersQuery } from '../../api/bundles'
import type { Partner } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { None } from '../../parts/None'
import { Refusal } from '../../parts/Refusal'
import { partnerState, policyWords } from '../../words/bundles'
import { count, plural } from '../../words/count'
import { instant } from '../../words/time'
import { type Column, DetailTable } from '../DetailTable'

/** The servers whose bundles are taken, or were. chosen: whose imports are listed below. */
export function Partners({ chosen }: { chosen?: string }) {
  const query = useQuery(partnersQuery)
  const named = query.data?.some((p) => p.policy)
  const columns: Column<Partner>[] = [
    {
      id: 'name',
      title: 'Site',
      value: (p) => `${p.name} ${p.display_name ?? ''} ${p.site_id}`,
      show: (p) => (
        <>
          <Link
            to="/advisories/bundles"
            search={{ origin: p.name === chosen ? undefined : p.name }}
            aria-expanded={p.name === chosen}
            resetScroll={false}
          >
            {p.name}
          </Link>
          <small className={card.under}>
            {p.display_name ? `${p.display_name} · ` : ''}
            {p.site_id === p.name ? 'nothing of it was imported' : p.site_id}
          </small>
        </>
      ),
    },
    ...shared,
  ]
  return (
    <section className={card.card} aria-label="Partners">
      <h2>
        Partners
        <small>
          {named
            ? 'sites are named, so only their bundles are taken'
            : 'none has a policy of its own; what the configuration says goes for all'}
        </small>
      </h2>
      <Refusal error={query.error} title="The partners cannot be read" />
      {query.data ? (
        <DetailTable
          label="Partners"
          rows={query.data}
          columns={columns}
          first="name"
          empty="No bundle was imported yet, and nobody said whose may be."
        />
      ) : null}
    </section>
  )
}

const shared: Column<Partner>[] = [
  {
    id: 'status',
    title: 'Status',
    value: (p) => p.status,
    show: (p) => {
      const said = partnerState(p)
      return (
        <>
          <Light said={said} />
          {said.reason ? <small className={card.under}>{said.reason}</small> : null}
        </>
      )
    },
  },
  {
    id: 'sync',
    title: 'Last sync',
    value: (p) => instant(p.last_sync_at) ?? 0,
    show: (p) => (
      <>
        <AsOf at={p.last_sync_at} />
        {p.bundles_imported > 0 ? (
          <small className={card.under}>
            {plural(p.bundles_imported, 'bundle')}, {count(p.total_items_imported)} changes
          </small>
        ) : null}
      </>
    ),
    fallsFirst: true,
  },
  {
    id: 'cursor',
    title: 'Cursor',
    value: (p) => p.last_cursor,
    show: (p) => (p.last_cursor ? <code>{p.last_cursor}</code> : <None />),
  },
  {
    id: 'policy',
    title: 'What is taken of it',
    value: (p) => policyWords(p).join(' '),
    show: (p) => (
      <>
        {policyWords(p).join(' · ')}
        {p.changed_at ? (
          <small className={card.under}>
            said <AsOf at={p.changed_at} />
          </small>
        ) : null}
      </>
    ),
  },
]
