import { useQuery } from '@tanstack/react-query'
import { importsQuery, mostImports } from '../../api/bundles'
import type { ImportRecord } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Refusal } from '../../parts/Refusal'
import { importMarks, importWords, shortHash } from '../../words/bundles'
import { count, plural } from '../../words/count'
import classes from './Bundles.module.css'
import { Conflicts } from './Conflicts'

/** The newest imports of one origin, each with what it did and the conflicts that it met. */
export function Imports({ origin }: { origin: string }) {
  const query = useQuery(importsQuery(origin))
  const rows = query.data
  return (
    <section className={card.card} aria-label={`Imports of ${origin}`}>
      <h2>
        Imports of {origin}
        {rows ? (
          <small>
            {rows.length < mostImports ? plural(rows.length, 'import') : `the newest ${count(mostImports)}`}
          </small>
        ) : null}
      </h2>
      <Refusal error={query.error} title="Its imports cannot be read" />
      {!rows && !query.error ? <p className="muted">Asking the server…</p> : null}
      {rows?.length === 0 ? <p className="muted">No bundle of it was imported yet.</p> : null}
      {rows && rows.length > 0 ? (
        <ol className={classes.imports}>
          {rows.map((i) => (
            <Import key={`${i.at} ${i.bundle_hash}`} of={i} />
          ))}
        </ol>
      ) : null}
    </section>
  )
}

function Import({ of: i }: { of: ImportRecord }) {
  const conflicts = i.conflicts ?? []
  return (
    <li>
      <p className={classes.what}>
        <b>{importWords(i.counts)}</b>
        {importMarks(i).map((m) => (
          <Light key={m.word} said={m} />
        ))}
      </p>
      <p className={card.note}>
        <AsOf at={i.at} /> · <span title={i.bundle_hash}>{shortHash(i.bundle_hash)}</span> · {from(i)} through{' '}
        <code>{i.cursor}</code>
        {i.signer ? (
          <>
            {' '}
            · signed by <span title={i.signer}>{shortHash(i.signer)}</span>
          </>
        ) : null}
      </p>
      {(i.conflict_n ?? 0) > 0 ? (
        <details className={classes.more}>
          <summary>{plural(i.conflict_n!, 'conflict')}</summary>
          <Conflicts of={conflicts} n={i.conflict_n!} />
        </details>
      ) : null}
    </li>
  )
}

function from(i: ImportRecord) {
  return i.from ? (
    <>
      after <code>{i.from}</code>
    </>
  ) : (
    'everything'
  )
}
