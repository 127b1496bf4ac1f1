import { Button } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Site } from '../api/types'
import { term } from '../directory/terms'
import { AsOf } from '../parts/AsOf'
import { Facts } from '../parts/Facts'
import { HostBar } from '../parts/HostBar'
import { Light } from '../parts/Light'
import { count } from '../words/count'
import { siteHealth } from '../words/status'
import { ExposureBlock } from './ExposureBlock'
import classes from './SiteView.module.css'
import { SiteFacts } from './SiteCard'
import { TrendStrip } from './TrendStrip'

/** The name of a site and its light. */
export function SiteHead({ site, fresh }: { site: Site; fresh: boolean }) {
  const health = siteHealth(site, fresh)
  return (
    <>
      <header className={classes.head}>
        <div>
          <h1>{site.name}</h1>
          {site.location ? <p className="muted">{site.location}</p> : null}
        </div>
        <Light said={health} strong />
        <Button
          className={classes.hosts}
          variant="default"
          renderRoot={(props) => <Link to="/hosts" search={{ q: term('site', site.name) }} {...props} />}
        >
          Show its hosts
        </Button>
      </header>
      {health.reason ? <p className={classes.reason}>{health.reason}</p> : null}
    </>
  )
}

interface PanelsProps {
  site: Site
  fresh: boolean
  /** It is the site that answers. */
  local: boolean
  /** Its hosts by status; not where they stand above already. */
  hosts?: boolean
}

/** Everything that is known of one site. */
export function SitePanels({ site, fresh, local, hosts = true }: PanelsProps) {
  const times: [string, ReactNode][] = []
  if (site.invited_at) times.push(['Invited', <AsOf at={site.invited_at} />])
  if (site.enrolled_at) times.push(['Enrolled', <AsOf at={site.enrolled_at} />])
  return (
    <div className={classes.grid}>
      <section className={classes.card} data-wide={!hosts || undefined}>
        <h2>Site</h2>
        <SiteFacts site={site} fresh={fresh} local={local} />
        <Facts rows={[...times, ['Id', <code>{site.id}</code>]]} />
      </section>
      {hosts ? (
        <section className={classes.card}>
          <h2>
            Hosts <b>{count(site.hosts)}</b>
          </h2>
          <HostBar total={site.hosts} by={site.hosts_by_status} current={fresh && site.link === 'up'} />
          {local ? null : (
            <p className={classes.note}>
              last fact from the site <AsOf at={site.last_item} absent="none yet" />
            </p>
          )}
        </section>
      ) : null}
      {hosts && site.hosts > 0 ? (
        <div className={classes.wide}>
          <TrendStrip site={site.name} />
        </div>
      ) : null}
      <section className={classes.card} data-wide>
        <ExposureBlock site={site} top={20} />
      </section>
    </div>
  )
}
