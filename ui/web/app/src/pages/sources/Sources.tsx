import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { sourcesQuery } from '../../api/advisories'
import { nodeQuery } from '../../api/queries'
import card from '../../parts/Card.module.css'
import { Notice } from '../../parts/Notice'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { Views } from '../advisories/Views'
import { SourceCard } from './SourceCard'
import classes from './Sources.module.css'

/** What this server fetches advisories from by itself, how old each is, and what is wrong with it. */
export function SourcesPage() {
  useTitle('Sources of advisories')
  const [awaited, setAwaited] = useState(0)
  const query = useQuery({
    ...sourcesQuery,
    refetchInterval: (q) => (awaited > 0 || q.state.data?.some((s) => s.state === 'running') ? 1000 : 10_000),
  })
  const sources = query.data
  return (
    <div className={card.page}>
      <Views />
      <header className={card.head}>
        <div>
          <h1>Sources</h1>
          <p>What this server fetches by itself. What was taken in stays, also where a source fails or is old.</p>
        </div>
      </header>
      <Refusal error={query.error} title="The sources cannot be read" />
      {sources?.length === 0 ? <Nothing /> : null}
      {!sources && !query.error ? <p className="muted">Asking the server…</p> : null}
      {sources && sources.length > 0 ? (
        <div className={classes.list}>
          {sources.map((s) => (
            <SourceCard key={s.name} source={s} onAwaited={(by) => setAwaited((n) => n + by)} />
          ))}
        </div>
      ) : null}
    </div>
  )
}

function Nothing() {
  const site = useQuery(nodeQuery).data?.role === 'site'
  return (
    <Notice tone="none" title="This server fetches nothing by itself">
      {site ? (
        <>
          A site fetches from its controller once it is enrolled, and bundles that its configuration names under{' '}
          <code>advisories.sources</code>.
        </>
      ) : (
        <>
          Name sources under <code>advisories.sources</code> in its configuration. What is there now came by{' '}
          <code>skerry advisories ingest</code> or by bundles.
        </>
      )}
    </Notice>
  )
}
