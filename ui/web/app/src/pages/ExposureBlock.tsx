import type { Site } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { leftOut, SeverityCounts, TopList } from '../parts/Severity'
import { count, plural } from '../words/count'
import classes from './ExposureBlock.module.css'

/**
 * What the vulnerabilities mean for a site. No figures and figures of nought are told apart: a site
 * without advisories, or whose hosts were not matched, is not free of vulnerabilities.
 */
export function ExposureBlock({ site, top }: { site: Site; top: number }) {
  const e = site.exposure
  if (!e) {
    return (
      <>
        <h3 className={classes.title}>Exposure</h3>
        <p className={classes.note}>Not known: this site has not worked it out yet.</p>
      </>
    )
  }
  const head = (
    <h3 className={classes.title}>
      Exposure
      <span>
        as of <AsOf at={e.as_of} absent="an unknown time" />
      </span>
    </h3>
  )
  if (e.advisory_n === 0 || e.matched_hosts === 0) {
    return (
      <>
        {head}
        <p className={classes.note}>
          {e.advisory_n === 0
            ? 'Not known: the site held no advisories to match its hosts with.'
            : 'Not known: no host has been matched with the advisories yet.'}
        </p>
      </>
    )
  }
  const left = site.hosts - e.matched_hosts
  const entries = e.top ?? []
  return (
    <>
      {head}
      <SeverityCounts counts={e.counts} />
      <p className={classes.note}>
        {[
          `${count(e.affected_hosts)} of ${plural(e.matched_hosts, 'matched host')} affected`,
          ...(left > 0 ? [`${plural(left, 'host')} not matched yet`] : []),
          ...leftOut(e.counts),
          'each vulnerability counted once',
        ].join(' · ')}
      </p>
      {entries.length > 0 ? <TopList top={entries} most={top} /> : null}
    </>
  )
}
