import { Button } from '@mantine/core'
import type { ReactNode } from 'react'
import type { Gathered } from '../api/types'
import { count, plural } from '../words/count'
import { remarks, type Kind } from '../words/questions'
import { sentence } from '../words/status'
import classes from './Answer.module.css'
import card from './Card.module.css'
import { More } from './More'
import { Notice } from './Notice'
import { Prose } from './Prose'
import { Refusal } from './Refusal'

/** Whether an answer is of every host that was asked about. */
export function whole(a: Gathered | undefined): boolean {
  return a !== undefined && a.partial_n === 0 && (a.answered ?? []).every((s) => !s.lacking && !s.unordered && !s.note)
}

/** What sites answered to a question, with what is missing from it. one: what a row of it is; kind: what was asked about. */
export function Answer({
  title = 'Answer',
  query,
  last,
  shown,
  one,
  kind,
  controller,
  children,
}: {
  title?: string
  query: {
    error: unknown
    isFetching: boolean
    isFetchingNextPage: boolean
    hasNextPage: boolean
    fetchNextPage: () => unknown
    refetch: () => unknown
  }
  last: Gathered | undefined
  shown: number
  one: string
  kind: Kind
  controller: boolean
  children: ReactNode
}) {
  const silent = last?.partial ?? []
  const all = last ? last.answered_n + last.partial_n : 0
  return (
    <section className={card.card} aria-label={title} aria-busy={query.isFetching}>
      <h2>
        {title}
        {last ? (
          <Button size="compact-xs" variant="default" loading={query.isFetching} onClick={() => void query.refetch()}>
            Ask again
          </Button>
        ) : null}
      </h2>
      <Refusal error={query.error} title="The question cannot be answered" />
      {!last && !query.error ? (
        <p className="muted">{controller ? 'Asking the sites…' : 'Asking the server…'}</p>
      ) : null}
      {last && last.partial_n > 0 ? (
        <Notice
          tone="warn"
          title={`This is not all: ${count(last.partial_n)} of ${plural(all, 'site')} did not answer`}
          alert
        >
          <ul className={classes.silent}>
            {silent.slice(0, 10).map((s) => (
              <li key={s.site_id}>
                <Prose text={sentence(s.reason)} />.
              </li>
            ))}
            {last.partial_n > 10 ? <li>And {count(last.partial_n - Math.min(10, silent.length))} more.</li> : null}
          </ul>
        </Notice>
      ) : null}
      {last ? (
        <>
          <p className={card.note} role="status">
            {last.answered_n > 0 ? plural(last.total, one) : 'Nobody answered'}
            {shown < last.total ? `, of which ${count(shown)} are here` : ''}
            {controller && last.answered_n > 0 ? ` · ${plural(last.answered_n, 'site')} answered` : ''}
          </p>
          {remarks(last, kind).map((r) => (
            <p key={r} className={card.note}>
              {sentence(r)}
            </p>
          ))}
          {last.answered_n > 0 ? children : null}
          <More query={query} />
        </>
      ) : null}
    </section>
  )
}
