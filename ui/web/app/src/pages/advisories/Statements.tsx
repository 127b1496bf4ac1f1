import type { Canonical } from '../../api/types'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Light } from '../../parts/Light'
import { day, statementWords } from '../../words/advisories'
import { plural } from '../../words/count'
import { sentence } from '../../words/status'
import classes from './Advisory.module.css'

const most = 8
const productsShown = 5

/** What authors say of their products (VEX); nothing where nobody does. */
export function Statements({ of: c }: { of: Canonical }) {
  const all = (c.records ?? []).flatMap((r) => (r.statements ?? []).map((s) => ({ ...s, from: `${r.source}/${r.id}` })))
  if (all.length === 0) return null
  return (
    <section className={card.card} aria-label="Statements about products">
      <h2>
        Statements about products
        <small>VEX, {plural(all.length, 'statement')}</small>
      </h2>
      <First of={all} most={most}>
        {(shown) => (
          <ul className={classes.members}>
            {shown.map((s, i) => (
              <li key={i}>
                <Light said={statementWords(s.status)} />
                <Products of={s.products ?? []} />
                {s.justification ? <span>{sentence(s.justification.replaceAll('_', ' '))}.</span> : null}
                {s.note ? <q className={classes.quote}>{s.note}</q> : null}
                <small className={card.under}>
                  says {s.from}
                  {s.at ? `, ${day(s.at)}` : ''}
                </small>
              </li>
            ))}
          </ul>
        )}
      </First>
    </section>
  )
}

function Products({ of }: { of: string[] }) {
  const more = of.length - productsShown
  return (
    <span>
      {of.slice(0, productsShown).map((p) => (
        <code key={p} className={classes.product}>
          {p}
        </code>
      ))}
      {more > 0 ? <span className="muted">and {more} more</span> : null}
    </span>
  )
}
