import { useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { trendQuery, windows, type Window } from '../api/directory'
import { errorText } from '../api/fault'
import type { TrendPoint } from '../api/types'
import { useNow } from '../clock'
import { Prose } from '../parts/Prose'
import { count } from '../words/count'
import { sentence } from '../words/status'
import { instant, moment } from '../words/time'
import { boundsOf, lineOf, pathOf, valueAt, type Line } from '../words/trend'
import classes from './TrendStrip.module.css'

const hour = 3_600_000
const spans: Record<Window, { ms: number; word: string; said: string }> = {
  day: { ms: 24 * hour, word: 'Day', said: 'in the last day' },
  month: { ms: 31 * 24 * hour, word: 'Month', said: 'in the last month' },
  years: { ms: 2 * 365 * 24 * hour, word: '2 years', said: 'in the last two years' },
}

interface Series {
  title: string
  of: (p: TrendPoint) => number | undefined
  /** Which way is good; undefined where neither is. */
  good?: 'up' | 'down'
  unit?: string
}

const shown: Series[] = [
  { title: 'Hosts', of: (p) => p.hosts },
  { title: 'Hosts not up', of: (p) => p.hosts - (p.by_status['up'] ?? 0), good: 'down' },
  { title: 'Hosts with a critical vulnerability', of: (p) => p.by_worst['critical'] ?? 0, good: 'down' },
  { title: 'Pending updates', of: (p) => p.updates, good: 'down' },
  { title: 'Compliance, mean', of: (p) => p.compliance, good: 'up', unit: ' %' },
]

/** How the sums of a site, or of all, came to be what they are: small lines, one for each. */
export function TrendStrip({ site }: { site: string }) {
  const [window, setWindow] = useState<Window>('day')
  const query = useQuery(trendQuery(site, window))
  const now = useNow()
  const name = useId()
  // The lines need not move with every second.
  const to = Math.ceil(now / 60_000) * 60_000
  const points = query.data?.points ?? []
  // Where less is known than the window holds, the line begins with what is known.
  const known = Math.min(...points.map((p) => instant(p.at) ?? to), to - 60_000)
  const from = Math.max(to - spans[window].ms, known)
  const short = known > to - spans[window].ms
  const said = short ? `since ${moment(from)}` : spans[window].said
  const lines = shown.flatMap((s) => {
    const values = points.flatMap((p) => {
      const value = s.of(p)
      return value === undefined ? [] : [{ at: instant(p.at) ?? NaN, value }]
    })
    const line = lineOf(values, from, to)
    return line ? [{ s, line }] : []
  })
  return (
    <section className={classes.strip} aria-label="Trend">
      <header>
        <h2>
          Trend <span>{lines.length === 0 ? '' : short ? `${said}; no data before` : said}</span>
        </h2>
        <div role="radiogroup" aria-label="Length of the trend" className={classes.windows}>
          {windows.map((w) => (
            <label key={w} data-on={w === window || undefined}>
              <input type="radio" name={name} checked={w === window} onChange={() => setWindow(w)} />
              {spans[w].word}
            </label>
          ))}
        </div>
      </header>
      {query.error ? (
        <p className="muted">
          <Prose text={sentence(errorText(query.error))} />
        </p>
      ) : lines.length === 0 ? (
        <p className={`muted ${classes.empty}`}>{query.data ? 'Nothing has been counted yet.' : '\u00a0'}</p>
      ) : (
        <div className={classes.lines} data-dim={query.isPlaceholderData || undefined}>
          {lines.map(({ s, line }) => (
            <Spark key={s.title} series={s} line={line} from={from} to={to} said={said} />
          ))}
        </div>
      )}
    </section>
  )
}

const width = 200
const height = 36

function Spark({
  series,
  line,
  from,
  to,
  said,
}: {
  series: Series
  line: Line
  from: number
  to: number
  said: string
}) {
  const [at, setAt] = useState<number>()
  const unit = series.unit ?? ''
  const figure = (n: number) => `${series.unit ? n.toFixed(1) : count(n)}${unit}`
  // What does not show in the figures is no change.
  const change = figure(line.last) === figure(line.first) ? 0 : line.last - line.first
  const tone = change === 0 || !series.good ? 'none' : change > 0 === (series.good === 'up') ? 'ok' : 'warn'
  const bounds = boundsOf(line)
  const path = pathOf(line, bounds, from, to, width, height)
  const pointed = at === undefined ? undefined : valueAt(line, at)
  const x = at === undefined ? 0 : ((at - from) / (to - from)) * width
  const start = path.slice(1, path.indexOf(' '))
  return (
    <figure className={classes.spark} data-tone={tone}>
      <figcaption>
        <span>{series.title}</span>
        <b>{figure(pointed ?? line.last)}</b>
        <small>
          {at !== undefined && pointed !== undefined
            ? moment(at)
            : change === 0
              ? 'no change'
              : `${change > 0 ? '+' : '−'}${figure(Math.abs(change))}`}
        </small>
      </figcaption>
      <svg
        viewBox={`0 -3 ${width} ${height + 6}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${series.title} ${said}: from ${figure(line.first)} to ${figure(line.last)}, lowest ${figure(line.low)}, highest ${figure(line.high)}`}
        onPointerMove={(e) => {
          const box = e.currentTarget.getBoundingClientRect()
          setAt(from + ((e.clientX - box.left) / box.width) * (to - from))
        }}
        onPointerLeave={() => setAt(undefined)}
      >
        {bounds.bottom === 0 ? <path className={classes.area} d={`${path}V${height}H${start}Z`} /> : null}
        <path className={classes.edge} data-dashed={bounds.bottom !== 0 || undefined} d={`M0 ${height}H${width}`} />
        <path className={classes.line} d={path} />
        {at === undefined ? null : <path className={classes.cursor} d={`M${x} -3V${height + 3}`} />}
      </svg>
      <div className={classes.bounds} aria-hidden="true">
        <span>{figure(bounds.top)}</span>
        <span>{figure(bounds.bottom)}</span>
      </div>
    </figure>
  )
}
