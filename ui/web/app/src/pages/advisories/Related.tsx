import type { Canonical } from '../../api/types'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Vulnerability } from '../../parts/Vulnerability'
import { neighbourWords } from '../../words/advisories'
import classes from './Advisory.module.css'

const most = 12

/** Others that have to do with it, and are not it; nothing where there are none. */
export function Related({ of: c }: { of: Canonical }) {
  const all = c.related ?? []
  if (all.length === 0) return null
  return (
    <section className={card.card} aria-label="What it has to do with">
      <h2>
        What it has to do with
        <small>other advisories</small>
      </h2>
      <First of={all} most={most}>
        {(shown) => (
          <ul className={classes.members}>
            {shown.map((n) => (
              <li key={n.id}>
                <Vulnerability id={n.id} />
                {n.summary ? <span>{n.summary}</span> : null}
                <small className={card.under}>
                  {neighbourWords(n)}
                  {n.by.endsWith(`/${n.id}`) ? ` (${n.by.slice(0, -n.id.length - 1)})` : `, says ${n.by}`}
                </small>
              </li>
            ))}
          </ul>
        )}
      </First>
    </section>
  )
}
