import { Skeleton } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { Site } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { type Column, DetailTable } from '../DetailTable'
import { countsWords, openAlerts } from '../../words/alerts'
import { Light } from '../../parts/Light'
import { linkWords } from '../../words/status'
import { useNow } from '../../clock'

/** At a controller: how many alerts each site has, as it last said. */
export function AlertSites({ sites }: { sites: Site[] | undefined }) {
  if (!sites) return <Skeleton height={200} radius="lg" />
  return (
    <section className={card.card}>
      <p className={card.note}>
        Alerts are kept at their sites, and one is asked at a time. These are the counts that each site last sent.
      </p>
      <DetailTable label="Sites" rows={sites} columns={columns} first="alerts" empty="No site yet." />
    </section>
  )
}

const columns: Column<Site>[] = [
  {
    id: 'site',
    title: 'Site',
    value: (s) => s.name,
    show: (s) => (
      <Link to="/alerts" search={{ site: s.name }}>
        {s.name}
      </Link>
    ),
  },
  {
    id: 'alerts',
    title: 'Alerts',
    value: (s) => {
      const n = openAlerts(s.alerts)
      return s.alerts ? n.critical * 1e6 + n.open : -1
    },
    show: (s) => (
      <>
        {countsWords(s.alerts)}
        {s.alerts ? (
          <small className={card.under}>
            <AsOf at={s.alerts.as_of} prefix="counted " absent="when is not known" />
          </small>
        ) : null}
      </>
    ),
    fallsFirst: true,
  },
  {
    id: 'newest',
    title: 'Newest',
    value: (s) => s.alerts?.newest?.opened_at ?? '',
    show: (s) => {
      const n = s.alerts?.newest
      return n ? (
        <>
          {n.rule}
          <small className={card.under}>
            {n.label} <AsOf at={n.opened_at} />
          </small>
        </>
      ) : null
    },
    fallsFirst: true,
  },
  { id: 'link', title: 'Link', value: (s) => s.link, show: (s) => <SiteLink site={s} /> },
]

function SiteLink({ site }: { site: Site }) {
  return <Light said={linkWords(site, true, useNow())} />
}
