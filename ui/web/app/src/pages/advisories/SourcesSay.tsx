import type { Explained, Resolved } from '../../api/types'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Light } from '../../parts/Light'
import { fieldValue, fieldWords, saidWords } from '../../words/advisories'
import { plural } from '../../words/count'
import classes from './Advisory.module.css'

const most = 4

/** Each field with whose word counts and by which rule, and everything that others say. */
export function SourcesSay({ of }: { of: Explained }) {
  const fields = of.fields ?? []
  const differing = fields.filter((f) => f.differs).length
  return (
    <section className={card.card} aria-label="What the sources say">
      <h2>
        What the sources say
        <small>
          {differing === 0 ? 'they do not contradict each other' : `they differ in ${plural(differing, 'field')}`}
        </small>
      </h2>
      <dl className={classes.fields}>
        {fields.map((f) => (
          <Field key={f.name} of={f} />
        ))}
      </dl>
    </section>
  )
}

function Field({ of: f }: { of: Resolved }) {
  const others = (f.said ?? []).filter((s) => s.from !== f.from)
  const same = others.filter((s) => s.agrees && s.value === f.value)
  const rest = others.filter((s) => !same.includes(s))
  return (
    <div>
      <dt>
        {fieldWords(f.name)}
        {f.differs ? <Light said={{ tone: 'warn', word: 'Sources differ' }} /> : null}
      </dt>
      <dd>
        <p className={classes.value}>{fieldValue(f.name, f.value)}</p>
        <p className={card.note}>
          said by <code>{f.from}</code>
          {others.length > 0 ? <> · chosen by: {f.rule}</> : null}
        </p>
        {others.length > 0 ? (
          <ul className={classes.said} aria-label={`What others say: ${fieldWords(f.name)}`}>
            <First of={rest} most={most} bare>
              {(shown) =>
                shown.map((s) => (
                  <li key={s.from}>
                    <Light said={saidWords(f, s)} />
                    <span>
                      {fieldValue(f.name, s.value)}
                      <small className={card.under}>
                        said by <code>{s.from}</code>
                      </small>
                    </span>
                  </li>
                ))
              }
            </First>
            {same.length > 0 ? (
              <li>
                <Light said={saidWords(f, same[0]!)} />
                <small className={card.under}>
                  said as well by <code>{same.map((s) => s.from).join(', ')}</code>
                </small>
              </li>
            ) : null}
          </ul>
        ) : null}
      </dd>
    </div>
  )
}
