import type { Overview } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { HostBar } from '../parts/HostBar'
import { count, plural } from '../words/count'
import classes from './OverviewStrip.module.css'

/** The totals over everything that this server knows. */
export function OverviewStrip({
  overview,
  controller,
  fresh,
}: {
  overview: Overview
  controller: boolean
  fresh: boolean
}) {
  const cut = overview.sites - overview.sites_up
  return (
    <section className={classes.strip} aria-label="Overview">
      {controller ? (
        <div>
          <h2>Sites with a link</h2>
          <p className={classes.figure}>
            {count(overview.sites_up)} <small>of {count(overview.sites)}</small>
          </p>
          <p className={classes.note}>
            {overview.sites === 0
              ? 'no site yet'
              : cut === 0
                ? 'every link is up'
                : `${plural(cut, 'site')} without a link now`}
          </p>
        </div>
      ) : null}
      <div>
        <h2>Hosts</h2>
        <p className={classes.figure}>{count(overview.hosts)}</p>
        <HostBar total={overview.hosts} by={overview.hosts_by_status} current={fresh} />
      </div>
      <div>
        <h2>Advisories held</h2>
        <p className={classes.figure}>{count(overview.advisory_n)}</p>
        <p className={classes.note}>
          {overview.advisory_n === 0 ? (
            'none: nothing can be said of vulnerabilities'
          ) : overview.cursor ? (
            <>
              cursor <code>{overview.cursor}</code>
            </>
          ) : (
            'this server names no cursor of them'
          )}
        </p>
      </div>
      <p className={classes.asof}>
        as of <AsOf at={overview.as_of} />
      </p>
    </section>
  )
}
