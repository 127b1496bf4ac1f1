import type { Counts, TopEntry } from '../api/types'
import { count, plural } from '../words/count'
import { likelihood, percent } from '../words/advisories'
import { alertSeverity } from '../words/alerts'
import { exploitedFirst, severityWord } from '../words/status'
import { Exploited } from './Exploited'
import classes from './Severity.module.css'
import { Vulnerability } from './Vulnerability'

const shown = ['critical', 'high', 'medium', 'low'] as const

/** How many vulnerabilities of each severity. */
export function SeverityCounts({ counts }: { counts: Counts }) {
  return (
    <dl className={classes.counts}>
      {shown.map((s) => (
        <div key={s} data-severity={s} data-zero={counts[s] === 0 || undefined}>
          <dt>{severityWord(s)}</dt>
          <dd>{count(counts[s])}</dd>
        </div>
      ))}
    </dl>
  )
}

/** What the four numbers leave out: what nobody has rated, and what could not be compared. */
export function leftOut(counts: Counts): string[] {
  const parts = []
  if (counts.unknown > 0) parts.push(`${count(counts.unknown)} unrated`)
  if (counts.none > 0) parts.push(`${count(counts.none)} without effect`)
  if (counts.uncertain > 0) parts.push(`${count(counts.uncertain)} uncertain`)
  return parts
}

/** One severity as a word on its colour. */
export function SeverityTag({ severity }: { severity: string }) {
  return (
    <span className={classes.tag} data-severity={severity}>
      {severityWord(severity)}
    </span>
  )
}

/** The vulnerabilities that concern the most hosts, those before all that are known to be exploited. */
export function TopList({ top, most }: { top: TopEntry[]; most: number }) {
  return (
    <ol className={classes.top}>
      {exploitedFirst(top)
        .slice(0, most)
        .map((t) => (
          <li key={t.vulnerability}>
            <SeverityTag severity={t.severity} />
            <span className={classes.id}>
              <Vulnerability id={t.vulnerability} />
              {t.known_exploited ? <Exploited /> : null}
              {t.epss ? (
                <span className="muted nowrap" title={likelihood(t.epss)}>
                  EPSS {percent(t.epss)}
                </span>
              ) : null}
            </span>
            <span className="muted nowrap">{plural(t.hosts, 'host')}</span>
          </li>
        ))}
    </ol>
  )
}

/** How much an alert matters, as a word on a colour. */
export function AlertTag({ severity }: { severity: string }) {
  const { word, like } = alertSeverity(severity)
  return (
    <span className={classes.tag} data-severity={like}>
      {word}
    </span>
  )
}
