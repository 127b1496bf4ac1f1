import { useQuery } from '@tanstack/react-query'
import { keysQuery } from '../../api/bundles'
import type { Key } from '../../api/types'
import { useNow } from '../../clock'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Refusal } from '../../parts/Refusal'
import { keyState, purposeWords, shortHash } from '../../words/bundles'
import { type Column, DetailTable } from '../DetailTable'

const order = ['active', 'retiring', 'retired', 'revoked']

/** The keys that bundles and acceptances may be signed with. */
export function Keys() {
  const query = useQuery(keysQuery)
  const keys = query.data ?? []
  const columns: Column<Key>[] = [
    {
      id: 'name',
      title: 'Key',
      value: (k) => `${k.name} ${k.id}`,
      show: (k) => (
        <>
          {k.name}
          <small className={card.under} title={k.id}>
            {shortHash(k.id)}
          </small>
        </>
      ),
    },
    {
      id: 'state',
      title: 'State',
      value: (k) => order.indexOf(k.state),
      show: (k) => <State of={k} next={keys.find((x) => x.id === k.successor)?.name} />,
    },
    { id: 'purposes', title: 'Signs', value: (k) => purposeWords(k.purposes) },
    {
      id: 'whose',
      title: 'Whose',
      value: (k) => (k.private ? `this server ${k.signs ? 'signs' : ''}` : 'another server'),
      show: (k) => (
        <>
          {k.private ? 'this server’s' : 'another server’s'}
          {k.signs ? <small className={card.under}>its bundles are signed with it</small> : null}
        </>
      ),
    },
    {
      id: 'added',
      title: 'Here since',
      value: (k) => k.added_at,
      show: (k) => <AsOf at={k.added_at} />,
      fallsFirst: true,
    },
  ]
  return (
    <section className={card.card} aria-label="Keys">
      <h2>Keys</h2>
      <Refusal error={query.error} title="The keys cannot be read" />
      {query.data ? (
        <DetailTable
          label="Keys"
          rows={keys}
          columns={columns}
          first="state"
          empty="No key is known here, so no bundle can be verified or signed."
        />
      ) : null}
    </section>
  )
}

function State({ of, next }: { of: Key; next?: string }) {
  const said = keyState(of, useNow())
  return (
    <>
      <Light said={said} />
      {said.reason ? <small className={card.under}>{said.reason}</small> : null}
      {of.successor ? <small className={card.under}>successor: {next ?? shortHash(of.successor)}</small> : null}
    </>
  )
}
