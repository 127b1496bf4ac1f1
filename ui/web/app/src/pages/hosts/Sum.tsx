import type { ReactNode } from 'react'
import type { Refused } from '../../api/fault'
import { placeOf } from '../../directory/bytes'
import type { Summary } from '../../directory/rows'
import { AsOf } from '../../parts/AsOf'
import { plural, took } from '../../words/count'
import { sentence } from '../../words/status'
import classes from './Hosts.module.css'

/** How many hosts match and how long that took; or, in the same place, what is wrong with the search. */
export function Sum({
  q,
  summary,
  live,
  pending,
  refused,
  onSearch,
  onRefresh,
  children,
}: {
  q: string
  summary: Summary
  live: boolean
  pending: boolean
  refused: Refused | undefined
  onSearch: (q: string) => void
  onRefresh: () => void
  children: ReactNode
}) {
  if (refused?.span) {
    const { pos, end, suggestions } = refused.span
    // The buttons say what may have been meant.
    const what = refused.message.replace(/; did you mean .*\?$/, '')
    return (
      <div className={classes.sum} data-wrong>
        <p id="search-slip" role="alert">
          {sentence(what)}
          {suggestions.length > 0 ? '. Did you mean' : ''}
        </p>
        {suggestions.map((s) => (
          <button
            key={s}
            type="button"
            className={classes.fix}
            onClick={() => {
              onSearch(q.slice(0, placeOf(q, pos)) + s + q.slice(placeOf(q, end)))
              document.getElementById('search')?.focus()
            }}
          >
            {s}
          </button>
        ))}
      </div>
    )
  }
  return (
    <div className={classes.sum}>
      {summary.ready ? (
        <>
          <p data-dim={pending || undefined}>
            <b role="status">{plural(summary.total, 'host')}</b> in {took(summary.tookUs)}
          </p>
          <p className={`muted ${classes.asof}`}>
            {live ? 'live, ' : ''}as of <AsOf at={summary.asOf} />
          </p>
        </>
      ) : (
        <p className="muted">Asking the server…</p>
      )}
      {summary.waiting > 0 ? (
        <button
          type="button"
          className={classes.chip}
          title="Hosts came, went, or belong in another place now. The rows stay where they are until you refresh (r)."
          onClick={onRefresh}
        >
          {plural(summary.waiting, 'change')}, refresh
        </button>
      ) : null}
      {children}
    </div>
  )
}
