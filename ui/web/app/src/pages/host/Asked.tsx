import { Button, Skeleton } from '@mantine/core'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import { sentence } from '../../words/status'
import classes from './Host.module.css'

/** What stands above every answer of a site. */
interface Answer {
  answered_by: string
  answered_at: string
  as_of?: string
  lacking?: string
  /** There would be more. */
  next?: string
}

/** An answer of a host's site: who gave it when, of when what it says is, and why there is nothing where there is not. */
export function Asked<T extends Answer>({
  title,
  query,
  children,
}: {
  title: string
  query: UseQueryResult<T>
  children: (answer: T) => ReactNode
}) {
  const a = query.data
  return (
    <section className={card.card} aria-label={title} aria-busy={query.isFetching}>
      <header className={classes.asked}>
        <h2>{title}</h2>
        {a ? (
          <p className={card.note}>
            {a.as_of ? <AsOf at={a.as_of} prefix="as of " /> : null}
            {a.as_of ? ' · ' : ''}answered by {a.answered_by} <AsOf at={a.answered_at} />
          </p>
        ) : null}
        <Button variant="default" size="compact-sm" loading={query.isFetching} onClick={() => void query.refetch()}>
          Ask again
        </Button>
      </header>
      <Refusal
        error={query.error}
        title={
          a
            ? 'The site does not answer now; what stands below is its earlier answer'
            : 'The site’s answer cannot be shown'
        }
      />
      {a?.lacking ? <p className={card.note}>{sentence(a.lacking)}</p> : null}
      {a?.next ? (
        <p className={card.note}>There is more than this page shows; the command line lists all of it.</p>
      ) : null}
      {a ? children(a) : query.error ? null : <Skeleton height={220} radius="md" />}
    </section>
  )
}
