import { Button } from '@mantine/core'
import { useState } from 'react'
import { idsPerQuery, markedN, queriesOf, type Selection } from '../../directory/selection'
import { count, plural } from '../../words/count'
import classes from './Hosts.module.css'

/** How many hosts are marked, and what can be done with them. */
export function SelectionBar({
  selection,
  q,
  total,
  onAll,
  onShow,
  onClear,
}: {
  selection: Selection
  q: string
  total: number
  onAll: () => void
  onShow: (q: string) => void
  onClear: () => void
}) {
  const [copied, setCopied] = useState<Selection>()
  const n = markedN(selection)
  const all = selection.kind === 'all'
  if (n === 0 && !all) return null
  const queries = queriesOf(selection)
  return (
    <div className={classes.selection} role="group" aria-label="Selection">
      <p role="status">
        <b>{count(n)}</b> selected
        {all ? (
          <span className="muted">
            {selection.q ? (
              <>
                : all of <code>{selection.q}</code>
              </>
            ) : (
              ': every host'
            )}
            {selection.except.size > 0 ? ` but ${count(selection.except.size)}` : ''}
          </span>
        ) : null}
      </p>
      {!all && n < total ? (
        <Button variant="subtle" size="compact-sm" onClick={onAll}>
          Select all {count(total)}
        </Button>
      ) : null}
      {queries.length === 1 && queries[0] !== q ? (
        <Button
          variant="subtle"
          size="compact-sm"
          onClick={() => onShow(queries[0]!)}
          title={all ? 'Go back to the search that was selected' : `Search for these ${plural(n, 'host')}`}
        >
          {all ? 'Show them' : 'Show only these'}
        </Button>
      ) : null}
      {selection.kind === 'some' ? (
        <Button
          variant="subtle"
          size="compact-sm"
          onClick={() => {
            void navigator.clipboard
              .writeText([...selection.hosts.values()].join('\n'))
              .then(() => setCopied(selection))
          }}
        >
          {copied === selection ? 'Copied' : 'Copy names'}
        </Button>
      ) : null}
      {all && selection.except.size >= idsPerQuery ? <span className="muted">no more can be left out</span> : null}
      <Button variant="subtle" size="compact-sm" onClick={onClear}>
        Clear
      </Button>
    </div>
  )
}
