import { Link } from '@tanstack/react-router'
import type { Site } from '../api/types'
import { term } from '../directory/terms'
import { useNow } from '../clock'
import { AsOf } from '../parts/AsOf'
import { Facts } from '../parts/Facts'
import { HostBar } from '../parts/HostBar'
import { Light } from '../parts/Light'
import { count } from '../words/count'
import { lifecycle, linkWords, siteHealth } from '../words/status'
import { absolute, instant } from '../words/time'
import { ExposureBlock } from './ExposureBlock'
import classes from './SiteCard.module.css'

/** One site at a glance. */
export function SiteCard({ site, fresh }: { site: Site; fresh: boolean }) {
  const health = siteHealth(site, fresh)
  return (
    <article className={classes.card} data-tone={health.tone} aria-label={`Site ${site.name}`}>
      <header className={classes.head}>
        <div>
          <h2>
            <Link to="/sites/$site" params={{ site: site.name }}>
              {site.name}
            </Link>
          </h2>
          {site.location ? <p className="muted">{site.location}</p> : null}
        </div>
        <Light said={health} strong />
      </header>
      {health.reason ? <p className={classes.reason}>{health.reason}</p> : null}
      <SiteFacts site={site} fresh={fresh} local={false} />
      {site.hosts > 0 || site.status !== 'pending' ? (
        <section className={classes.part}>
          <h3>
            <Link to="/hosts" search={{ q: term('site', site.name) }}>
              Hosts
            </Link>
            <b>{count(site.hosts)}</b>
          </h3>
          <HostBar total={site.hosts} by={site.hosts_by_status} current={fresh && site.link === 'up'} />
        </section>
      ) : null}
      {site.status !== 'pending' || site.exposure ? (
        <section className={classes.part}>
          <ExposureBlock site={site} top={3} />
        </section>
      ) : null}
    </article>
  )
}

/**
 * Lifecycle, link and age of the data: three different things, each said for itself. local: it is the
 * site that answers, which needs no link to itself.
 */
export function SiteFacts({ site, fresh, local }: { site: Site; fresh: boolean; local: boolean }) {
  const now = useNow()
  const enrolled = instant(site.enrolled_at)
  const since = instant(site.link_since)
  const rows: Parameters<typeof Facts>[0]['rows'] = [
    [
      'Lifecycle',
      <span title={enrolled ? `Enrolled ${absolute(enrolled)}` : undefined}>
        {local && site.status === 'pending' ? 'Not enrolled' : lifecycle(site, now)}
      </span>,
    ],
  ]
  if (!local) {
    rows.push(
      [
        'Link',
        <span title={since ? `Since ${absolute(since)}` : undefined}>
          <Light said={linkWords(site, fresh, now)} />
        </span>,
      ],
      ['Last fact', <AsOf at={site.last_item} absent="none yet" />],
    )
  }
  return <Facts rows={rows} />
}
