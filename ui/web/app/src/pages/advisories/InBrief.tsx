import type { ReactNode } from 'react'
import type { Canonical } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Copy } from '../../parts/Copy'
import { Facts } from '../../parts/Facts'
import { attacks, day, otherNames, percent, percentileWords } from '../../words/advisories'
import { dayOf } from '../../words/time'
import classes from './Advisory.module.css'

/** The facts of a vulnerability in a list. */
export function InBrief({ of: c }: { of: Canonical }) {
  const { known, due, ransomware, percentile } = attacks(c)
  const rows: [string, ReactNode][] = []
  if (known !== undefined) {
    rows.push([
      'Exploited',
      <>
        known since {dayOf(known)}
        {due === undefined ? '' : `, to be mended by ${dayOf(due)}`}
        {ransomware ? '; used by ransomware' : ''}
      </>,
    ])
  }
  if (c.epss) {
    rows.push([
      'EPSS',
      <>
        {percent(c.epss)} within 30 days
        {percentile === undefined ? '' : `, ${percentileWords(percentile)}`}
      </>,
    ])
  }
  if (c.cwes && c.cwes.length > 0) rows.push(['Weaknesses', c.cwes.join(', ')])
  const names = otherNames(c)
  if (names.length > 0) {
    rows.push([
      'Also known as',
      <ul className={classes.plain}>
        {names.map((a) => (
          <li key={a}>
            <code>{a}</code>
          </li>
        ))}
      </ul>,
    ])
  }
  if (c.published) rows.push(['Published', day(c.published)])
  if (c.since) rows.push(['Here since', <AsOf at={c.since} />])
  if (c.changed) rows.push(['Changed here', <AsOf at={c.changed} />])
  rows.push([
    'Merge hash',
    <>
      <code className={classes.hash}>{c.merge_hash}</code> <Copy text={c.merge_hash} what="the merge hash" />
    </>,
  ])
  return (
    <section className={card.card} aria-label="In brief">
      <h2>In brief</h2>
      <Facts rows={rows} />
    </section>
  )
}
