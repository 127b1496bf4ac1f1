import type { CanonicalRow } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Exploited } from '../../parts/Exploited'
import { Light } from '../../parts/Light'
import { SeverityTag } from '../../parts/Severity'
import { Vulnerability } from '../../parts/Vulnerability'
import { day, likelihood, percent } from '../../words/advisories'
import { plural } from '../../words/count'
import { instant } from '../../words/time'
import classes from './Advisories.module.css'

const sourcesShown = 4

/** What was found. judged: a version was asked about, and each row says what becomes of it. */
export function Rows({ rows, judged }: { rows: CanonicalRow[]; judged: boolean }) {
  // The roles are said again because the narrow layout takes the table's own display away.
  return (
    <table className={classes.table} role="table" aria-label="Advisories">
      <thead role="rowgroup">
        <tr role="row">
          {['Severity', 'Id', 'Summary', 'EPSS', 'Published', 'Sources'].map((t) => (
            <th key={t} role="columnheader" scope="col">
              {t}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((c) => (
          <tr key={c.id} role="row" data-withdrawn={c.withdrawn !== undefined || undefined}>
            <td role="cell">
              <SeverityTag severity={c.severity} />
            </td>
            <td role="cell" className={classes.id}>
              <Vulnerability id={c.id} />
              {c.known_exploited ? <Exploited since={instant(c.known_exploited)} /> : null}
              {c.withdrawn ? <Light said={{ tone: 'none', word: 'Withdrawn' }} /> : null}
            </td>
            <td role="cell" className={classes.summary}>
              {c.summary || <span className="muted">no summary</span>}
              {judged && c.verdict ? (
                <small className={card.under}>
                  {c.verdict === 'affected'
                    ? 'This version is affected'
                    : 'Whether this version is affected cannot be told'}
                  {c.fixed ? `; fixed in ${c.fixed}` : ''}
                </small>
              ) : null}
              {c.differing ? (
                <small className={card.under}>Sources differ in {plural(c.differing, 'field')}</small>
              ) : null}
            </td>
            <td role="cell" className={classes.figure} data-title="EPSS">
              {c.epss ? <span title={likelihood(c.epss)}>{percent(c.epss)}</span> : <span className="muted">–</span>}
            </td>
            <td role="cell" className={classes.figure} data-title="Published">
              {day(c.published) ?? <span className="muted">–</span>}
            </td>
            <td role="cell" className={classes.sources} title={(c.sources ?? []).join(', ')}>
              <Sources of={c.sources ?? []} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Sources({ of }: { of: string[] }) {
  const more = of.length - sourcesShown
  return (
    <>
      {of.slice(0, sourcesShown).join(', ')}
      {more > 0 ? ` and ${more} more` : ''}
    </>
  )
}
