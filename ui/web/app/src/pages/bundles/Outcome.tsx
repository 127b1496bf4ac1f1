import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { FindingsPreview, ImportResult } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Facts } from '../../parts/Facts'
import { First } from '../../parts/First'
import { Notice } from '../../parts/Notice'
import { countRows, findingsWords, importWords, shortHash } from '../../words/bundles'
import { count, plural } from '../../words/count'
import classes from './Bundles.module.css'
import { Conflicts } from './Conflicts'

/** What came of a bundle, or would. children stand at its end. */
export function Outcome({ result: r, site, children }: { result: ImportResult; site: boolean; children?: ReactNode }) {
  const dry = r.dry_run === true
  return (
    <section className={classes.outcome} aria-label={dry ? 'What would come of it' : 'What came of it'}>
      <div role="status">
        {r.waiting ? (
          <Notice
            tone="none"
            title={`It is one of ${r.waiting.of} parts${dry ? '' : ', and is kept until all are there'}`}
          >
            {(r.waiting.missing ?? []).length > 0
              ? `To come: ${(r.waiting.missing ?? []).join(', ')}. Nothing is imported before.`
              : 'None is missing.'}
          </Notice>
        ) : dry ? (
          <Notice tone="ok" title="It can be imported, and nothing is changed yet">
            The file is whole
            {r.unsigned ? '; its signature was not asked for' : ', and a key that is trusted here signed it'}.{' '}
            {importWords(r.counts)}.
          </Notice>
        ) : (
          <Notice tone="ok" title="Imported">
            {importWords(r.counts)}.
          </Notice>
        )}
      </div>
      <Facts rows={facts(r)} />
      <Counts of={r} />
      {r.conflict_n > 0 ? (
        <div className={classes.part}>
          <h3>{plural(r.conflict_n, 'field')} in which what is here and the bundle do not agree</h3>
          <Conflicts of={r.conflicts ?? []} n={r.conflict_n} />
        </div>
      ) : null}
      {r.findings ? (
        <Findings of={r.findings} />
      ) : dry && !r.waiting && !site ? (
        <p className={card.note}>
          What it means for hosts is told by the sites: each matches its own, once it has taken this over.
        </p>
      ) : null}
      {children}
    </section>
  )
}

function facts(r: ImportResult): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [
    ['Made by', r.origin_name ? `${r.origin_name} (${r.origin})` : r.origin],
    ['Through', <code>{r.imported_cursor}</code>],
    ['Bundle', <span title={r.bundle_hash}>{shortHash(r.bundle_hash)}</span>],
  ]
  if (r.rewound_from) {
    rows.push([
      'Back from',
      <>
        <code>{r.rewound_from}</code>
        <small className={card.under}>the next bundle of it has to begin where this one ends</small>
      </>,
    ])
  }
  const left = Object.entries(r.left_out ?? {})
  if (left.length > 0) {
    rows.push([
      'Left out',
      `${left.map(([source, n]) => `${count(n)} of ${source}`).join(', ')}: it may not speak for those sources`,
    ])
  }
  if (r.trusted_keys?.length) rows.push(['Keys trusted', r.trusted_keys.join(', ')])
  if (r.revoked_keys?.length) rows.push(['Keys revoked', r.revoked_keys.join(', ')])
  return rows
}

function Counts({ of: r }: { of: ImportResult }) {
  if (r.waiting) return null
  return (
    <table className={classes.counts} aria-label="Counts">
      <thead>
        <tr>
          <td />
          <th scope="col">New</th>
          <th scope="col">Changed</th>
          <th scope="col">As they were</th>
        </tr>
      </thead>
      <tbody>
        {countRows(r.counts).map(([of, ...n]) => (
          <tr key={of}>
            <th scope="row">{of}</th>
            {n.map((x, i) => (
              <td key={i}>{count(x)}</td>
            ))}
          </tr>
        ))}
      </tbody>
      <tfoot>
        <tr>
          <th scope="row">Besides</th>
          <td colSpan={3}>
            {plural(r.counts.edges_added, 'edge')} added · {plural(r.counts.deletions_processed, 'record')} deleted
          </td>
        </tr>
      </tfoot>
    </table>
  )
}

const hostsShown = 12

function Findings({ of: f }: { of: FindingsPreview }) {
  const hosts = f.hosts ?? []
  return (
    <div className={classes.part}>
      <h3>{findingsWords(f)}</h3>
      {f.cut ? (
        <p className={card.note}>
          There are more inventories than the {count(f.inventories)} that were looked at: the numbers are of a part.
        </p>
      ) : null}
      <First of={hosts} most={hostsShown}>
        {(shown) => (
          <ul className={classes.hosts}>
            {shown.map((h) => (
              <li key={h.host_id}>
                <details className={classes.more}>
                  <summary>
                    {h.hostname || h.host_id}: {count(h.appear_n)} appear, {count(h.disappear_n)} disappear
                  </summary>
                  <Names title="Appear" of={h.appear} n={h.appear_n} />
                  <Names title="Disappear" of={h.disappear} n={h.disappear_n} />
                  <Link to="/hosts/$host" params={{ host: h.host_id }} search={{ tab: 'findings' }}>
                    Its findings now
                  </Link>
                </details>
              </li>
            ))}
          </ul>
        )}
      </First>
      {hosts.length < f.host_n ? (
        <p className={card.note}>
          The {count(hosts.length)} most changed of {plural(f.host_n, 'host')} are named.
        </p>
      ) : null}
    </div>
  )
}

function Names({ title, of, n }: { title: string; of: string[] | null | undefined; n: number }) {
  const shown = of ?? []
  if (n === 0) return null
  return (
    <>
      <b>{title}</b>
      <ul className={classes.names}>
        {shown.map((x) => (
          <li key={x}>
            <code>{x}</code>
          </li>
        ))}
        {n > shown.length ? <li className="muted">and {count(n - shown.length)} more</li> : null}
      </ul>
    </>
  )
}
