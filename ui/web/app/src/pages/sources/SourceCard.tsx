import { Button } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'
import { fetchSource, sourcesQuery } from '../../api/advisories'
import { queries } from '../../api/queries'
import type { AdvisorySource } from '../../api/types'
import { useLocalNow } from '../../clock'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Facts } from '../../parts/Facts'
import { Light } from '../../parts/Light'
import { Notice } from '../../parts/Notice'
import { Prose } from '../../parts/Prose'
import { Refusal } from '../../parts/Refusal'
import { sourceState } from '../../words/advisories'
import { count, plural } from '../../words/count'
import { edition, everyWords, fetchOutcome, progress, sourceKind } from '../../words/sources'
import { sentence } from '../../words/status'
import classes from './Sources.module.css'

/** One source. onAwaited is told of each fetch that was asked for here, by 1 as it begins and by -1 as it ends. */
export function SourceCard({ source: s, onAwaited }: { source: AdvisorySource; onAwaited: (by: number) => void }) {
  const said = sourceState(s)
  const runs = progress(s)
  return (
    <section className={card.card} aria-label={s.name}>
      <header className={classes.head}>
        <h2>{s.name}</h2>
        <Light said={said} strong />
        <span className="muted">{sourceKind(s.kind)}</span>
        {s.state === 'elsewhere' ? null : <FetchNow source={s} onAwaited={onAwaited} />}
      </header>
      {said.reason ? (
        <p>
          <Prose text={said.reason} />
        </p>
      ) : null}
      {runs ? (
        <div className={classes.runs}>
          <progress aria-label={`Fetching ${s.name}`} value={runs.share} max={1} />
          <span>{runs.words}</span>
        </div>
      ) : null}
      {s.warning ? (
        <Notice tone="warn" title="Not all of it counts">
          <Prose text={sentence(s.warning)} />.
        </Notice>
      ) : null}
      <Facts rows={facts(s)} wide />
    </section>
  )
}

function facts(s: AdvisorySource): [string, ReactNode][] {
  const rows: [string, ReactNode][] = [
    ['Reached', <AsOf at={s.checked_at} absent="never" />],
    ['Something new', <AsOf at={s.changed_at} absent="nothing taken in yet" />],
  ]
  if (s.failed_at) {
    rows.push([
      'Last failed',
      <>
        <AsOf at={s.failed_at} />
        {(s.failures ?? 0) > 1 ? `, ${count(s.failures!)} times in a row` : ''}
      </>,
    ])
  }
  if (s.next_at) rows.push(['Looked at again', <AsOf at={s.next_at} />])
  const did = edition(s)
  if (did) rows.push(['Newest edition', did])
  if (s.malformed_n > 0) {
    rows.push([
      'Cannot be read',
      <>
        {plural(s.malformed_n, 'record')}
        {s.malformed ? <small className={card.under}>the first: {s.malformed}</small> : null}
      </>,
    ])
  }
  if ((s.outside_n ?? 0) > 0)
    rows.push([
      'Outside',
      `${plural(s.outside_n!, 'record')} of what it may not speak for, in part; those parts match nothing`,
    ])
  if (s.held) rows.push(['Held through', <code>{s.held}</code>])
  rows.push([
    'From',
    <>
      <code>{s.from}</code>
      <small className={card.under}>{everyWords(s.every_seconds)}</small>
    </>,
  ])
  if (s.of) rows.push(['Its records are of', s.of])
  if (s.ecosystems && s.ecosystems.length > 0) rows.push(['Only of', s.ecosystems.join(', ')])
  return rows
}

/** A fetch at once, and what came of it. */
function FetchNow({ source, onAwaited }: { source: AdvisorySource; onAwaited: (by: number) => void }) {
  const [asked, setAsked] = useState<{ was: AdvisorySource; at: number }>()
  const now = useLocalNow()
  const ask = useMutation({
    mutationFn: () => fetchSource(source.name),
    onMutate: () => setAsked(undefined),
    onSuccess: () => {
      setAsked({ was: source, at: Date.now() })
      void queries.invalidateQueries({ queryKey: sourcesQuery.queryKey })
    },
  })
  const came = asked ? fetchOutcome(asked.was, source, asked.at, now) : undefined
  const waits = came !== undefined && !came.done
  useEffect(() => {
    if (!waits) return
    onAwaited(1)
    return () => onAwaited(-1)
    // onAwaited is another function each time, and does the same.
  }, [waits])
  return (
    <>
      <Button
        className={classes.fetch}
        size="compact-sm"
        variant="default"
        aria-label={`Fetch now: ${source.name}`}
        loading={ask.isPending || waits || source.state === 'running'}
        onClick={() => ask.mutate()}
      >
        Fetch now
      </Button>
      <span className={classes.came} role="status">
        {came ? <Light said={came.said} /> : null}
      </span>
      <div className={classes.refused}>
        <Refusal error={ask.error} title={`${source.name} cannot be fetched now`} />
      </div>
    </>
  )
}
