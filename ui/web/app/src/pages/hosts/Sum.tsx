import type { ReactNode } from 'react'
import type { Refused } from '../../api/fault'
import { placeOf } from '../../directory/bytes'
import type { Summary } from '../../directory/rows'
import { AsOf } from '../../parts/AsOf'
import { plural, took } from '../../words/count'
import { sentence } from '../../words/status'
import classes from './Hosts.module.css'
import type { Draft } from './SearchBox'

/**
 * How many hosts match and how long that took; or, in the same place, what is wrong with the search. A count
 * stands here for the present only while it is of what the box asks for.
 */
export function Sum({
  q,
  summary,
  live,
  pending,
  draft,
  failed,
  refused,
  onSearch,
  onRefresh,
  children,
}: {
  q: string
  summary: Summary
  live: boolean
  pending: boolean
  draft: Draft
  /** What is asked for cannot be shown, for whatever reason. */
  failed: boolean
  /** It cannot be read. */
  refused: Refused | undefined
  onSearch: (q: string) => void
  onRefresh: () => void
  children: ReactNode
}) {
  if (refused?.span) {
    // The buttons say what may have been meant, the line in the box where.
    const what = refused.message.replace(/; did you mean .*\?$/, '').replace(/ \(column \d+\)/, '')
    return (
      <div className={classes.sum} data-wrong>
        <p id="search-slip" role="alert">
          {sentence(what)}
          {refused.span.suggestions.length > 0 ? '. Did you mean' : ''}
        </p>
        <Fixes q={q} {...refused.span} onSearch={onSearch} />
        {summary.ready ? (
          <span className="muted">
            {summary.query === '' ? 'Below is every host.' : 'Below is the last search that could be read.'}
          </span>
        ) : null}
        {children}
      </div>
    )
  }
  const stale = pending || draft !== undefined
  const notes = stale ? [] : summary.notes
  return (
    <div className={classes.sum}>
      {!summary.ready ? (
        failed ? null : (
          <p className="muted">Asking the server…</p>
        )
      ) : draft === 'unfinished' ? (
        <p className="muted" role="status">
          This search goes on. Below is the one before it.
        </p>
      ) : failed ? (
        <p className="muted">Below is the search before this one.</p>
      ) : (
        <>
          <p data-dim={stale || undefined}>
            <b role="status">{plural(summary.total, 'host')}</b> in {took(summary.tookUs)}
          </p>
          <p className={`muted ${classes.asof}`} data-stale={stale || undefined}>
            {live ? 'live, ' : ''}as of <AsOf at={summary.asOf} />
          </p>
        </>
      )}
      {notes.map((n) => (
        <span key={`${n.pos} ${n.message}`} className={classes.note} role="status">
          {sentence(n.message)}
          {n.suggestions?.length ? '. Did you mean' : ''}
          <Fixes q={q} pos={n.pos} end={n.end} suggestions={n.suggestions ?? []} onSearch={onSearch} />
        </span>
      ))}
      {!stale && summary.ready && read(summary.query) !== read(q) ? (
        <p className={`muted ${classes.reading}`} title={`Read as ${summary.query}`}>
          read as <code>{summary.query}</code>
        </p>
      ) : null}
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

/** Two texts that differ in blanks alone are read alike for everybody to see. */
const read = (q: string) => q.trim().replace(/\s+/g, ' ')

/** Buttons, each of which puts what may have been meant in the place of what was typed. */
function Fixes({
  q,
  pos,
  end,
  suggestions,
  onSearch,
}: {
  q: string
  pos: number
  end: number
  suggestions: string[]
  onSearch: (q: string) => void
}) {
  return suggestions.map((s) => (
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
  ))
}
