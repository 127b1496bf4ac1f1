import { useQuery } from '@tanstack/react-query'
import { auditQuery } from '../../api/bundles'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { First } from '../../parts/First'
import { Light } from '../../parts/Light'
import { Prose } from '../../parts/Prose'
import { Refusal } from '../../parts/Refusal'
import { person } from '../../words/alerts'
import { lately, latelyWords, shortHash } from '../../words/bundles'
import { count } from '../../words/count'
import classes from './Bundles.module.css'

const most = 10

/** Bundles that were exported here, and those that were refused, out of the record of what was done. */
export function Lately() {
  const query = useQuery(auditQuery)
  const entries = lately(query.data?.entries)
  const looked = query.data?.entries?.length ?? 0
  return (
    <section className={card.card} aria-label="Exported and refused">
      <h2>
        Exported and refused
        {query.data ? (
          <small>
            {query.data.next
              ? `of the newest ${count(looked)} entries of the audit record`
              : 'of the whole audit record'}
          </small>
        ) : null}
      </h2>
      <Refusal error={query.error} title="The audit record cannot be read" />
      {query.data && entries.length === 0 ? (
        <p className="muted">No bundle was exported, and none was refused.</p>
      ) : null}
      {entries.length > 0 ? (
        <First of={entries} most={most}>
          {(shown) => (
            <ol className={classes.imports}>
              {shown.map((e) => {
                const said = latelyWords(e)
                return (
                  <li key={e.seq}>
                    <p className={classes.what}>
                      <Light said={{ ...said, reason: undefined }} />
                      <span className="muted">
                        <AsOf at={e.at} /> by {person(e.actor)}
                        {e.object ? (
                          <>
                            {' · '}
                            <span title={e.object}>{shortHash(e.object)}</span>
                          </>
                        ) : null}
                      </span>
                    </p>
                    {said.reason ? (
                      <p className={card.note}>
                        <Prose text={said.reason} />
                      </p>
                    ) : null}
                    {e.ok && e.detail?.['to'] ? (
                      <p className={card.note}>
                        {e.detail['from'] ? (
                          <>
                            after <code>{e.detail['from']}</code>
                          </>
                        ) : (
                          'everything'
                        )}{' '}
                        through <code>{e.detail['to']}</code>
                      </p>
                    ) : null}
                  </li>
                )
              })}
            </ol>
          )}
        </First>
      ) : null}
    </section>
  )
}
