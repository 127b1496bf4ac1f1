import type { Explained } from '../../api/types'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Light } from '../../parts/Light'
import { Notice } from '../../parts/Notice'
import { day } from '../../words/advisories'
import { plural } from '../../words/count'
import { sentence } from '../../words/status'
import classes from './Advisory.module.css'

const most = 8

/** The records of a vulnerability, each with why it belongs to it, and what was kept apart. */
export function Why({ of }: { of: Explained }) {
  const members = of.members ?? []
  return (
    <section className={card.card} aria-label="Why this is one vulnerability">
      <h2>
        Why this is one vulnerability
        <small>{plural(members.length, 'record')}</small>
      </h2>
      {(of.guards ?? []).map((g) => (
        <Notice key={g} tone="warn" title="Kept apart">
          {sentence(g)}.
        </Notice>
      ))}
      <First of={members} most={most}>
        {(shown) => (
          <ul className={classes.members}>
            {shown.map((m) => (
              <li key={`${m.source}/${m.id}`}>
                <code>
                  {m.source}/{m.id}
                </code>
                <span>{sentence(m.why)}.</span>
                <small className={card.under}>
                  {m.class}
                  {m.fact && m.class !== 'facts' ? ' · only facts' : ''}
                </small>
                {m.withdrawn ? <Light said={{ tone: 'none', word: `Withdrawn on ${day(m.withdrawn)}` }} /> : null}
              </li>
            ))}
          </ul>
        )}
      </First>
      <p className={card.note}>Records are joined by their aliases alone, by the rule {of.scheme}.</p>
    </section>
  )
}
