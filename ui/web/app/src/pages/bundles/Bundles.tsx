import { useQuery } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { syncQuery } from '../../api/bundles'
import card from '../../parts/Card.module.css'
import { Copy } from '../../parts/Copy'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { Views } from '../advisories/Views'
import { ImportPanel } from './ImportPanel'
import { Imports } from './Imports'
import { Keys } from './Keys'
import { Lately } from './Lately'
import { Partners } from './Partners'

/** How advisories go between servers: how far, from whom, by which keys, and a bundle of one's own to take in. */
export function BundlesPage() {
  useTitle('Bundles of advisories')
  const origin = useSearch({ from: '/advisories/bundles' }).origin
  const sync = useQuery(syncQuery)
  const cursor = sync.data?.local_cursor
  return (
    <div className={card.page}>
      <Views />
      <header className={card.head}>
        <div>
          <h1>Bundles</h1>
          <p>Signed files by which servers give each other what changed in their advisories, by link or by stick.</p>
        </div>
      </header>
      {sync.data ? (
        <p className={card.note}>
          {cursor ? (
            <>
              This server’s own log goes to <code>{cursor}</code> <Copy text={cursor} what="the cursor" />
            </>
          ) : (
            'This server’s own log is empty: it holds no advisories.'
          )}
        </p>
      ) : null}
      <Refusal error={sync.error} title="How far the bundles go cannot be read" />
      <ImportPanel />
      <Partners chosen={origin} />
      {origin ? <Imports key={origin} origin={origin} /> : null}
      <Keys />
      <Lately />
    </div>
  )
}
