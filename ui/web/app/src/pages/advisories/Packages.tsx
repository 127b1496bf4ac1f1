import type { Canonical, Explained } from '../../api/types'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Light } from '../../parts/Light'
import { SeverityTag } from '../../parts/Severity'
import { packagesByEcosystem, type Named, type Spoken } from '../../words/advisories'
import classes from './Advisory.module.css'

const most = 10

/** The packages that records name, by ecosystem, and who speaks for that. */
export function Packages({
  records,
  speaking,
}: {
  records: Canonical['records']
  speaking: Explained['ecosystems'] | undefined
}) {
  const groups = packagesByEcosystem(records, speaking)
  return (
    <section className={card.card} aria-label="Affected packages">
      <h2>Affected packages</h2>
      {groups.length === 0 ? (
        <p className={card.note}>
          No record of it names a package. What names it below may: distributions publish errata of their own.
        </p>
      ) : (
        groups.map((g) => <Group key={g.ecosystem} of={g} />)
      )}
    </section>
  )
}

function Group({ of: g }: { of: Spoken }) {
  const outside = g.rows.every((r) => r.outside)
  return (
    <section className={classes.group} aria-label={g.ecosystem}>
      <h3>
        {g.ecosystem || 'No ecosystem named'}
        {g.severity && g.severity !== 'unknown' ? <SeverityTag severity={g.severity} /> : null}
        <small>
          {g.speaker ? (
            <>
              <code>{g.speaker}</code> speaks for it
            </>
          ) : outside ? (
            'nobody with authority for it speaks: shown, and never matched'
          ) : null}
        </small>
      </h3>
      <First of={g.rows} most={most}>
        {(shown) => (
          <table className={classes.packages} role="table" aria-label={`Packages of ${g.ecosystem}`}>
            <thead role="rowgroup">
              <tr role="row">
                {['Package', 'Vulnerable versions', 'Says'].map((t) => (
                  <th key={t} role="columnheader" scope="col">
                    {t}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody role="rowgroup">
              {shown.map((r, i) => (
                <Row key={i} of={r} base={g.ecosystem} />
              ))}
            </tbody>
          </table>
        )}
      </First>
    </section>
  )
}

function Row({ of: r, base }: { of: Named; base: string }) {
  return (
    <tr role="row">
      <td role="cell">
        {r.package}
        {r.ecosystem !== base || r.modules.length > 0 ? (
          <small className={card.under}>
            {[...(r.ecosystem === base ? [] : [r.ecosystem]), ...r.modules.map((m) => `module ${m}`)].join(' · ')}
          </small>
        ) : null}
      </td>
      <td role="cell" className={classes.versions}>
        {r.vulnerable}
      </td>
      <td role="cell">
        <code>{r.from}</code>
        {r.outside ? (
          <small className={card.under}>
            <Light said={{ tone: 'none', word: 'No authority here: never matched' }} />
          </small>
        ) : null}
      </td>
    </tr>
  )
}
