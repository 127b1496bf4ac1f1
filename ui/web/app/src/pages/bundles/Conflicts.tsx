import { Link } from '@tanstack/react-router'
import type { Conflict } from '../../api/types'
import card from '../../parts/Card.module.css'
import { conflictValue, resolutionWords, shortHash } from '../../words/bundles'
import { fieldWords } from '../../words/advisories'
import { count } from '../../words/count'
import { type Column, DetailTable } from '../DetailTable'

/** Every field in which a record here and one of a bundle did not agree. n: how many there are; those that are kept are shown. */
export function Conflicts({ of, n }: { of: Conflict[]; n: number }) {
  return (
    <>
      {of.length < n ? (
        <p className={card.note}>
          The first {count(of.length)} of {count(n)} are kept.
        </p>
      ) : null}
      <DetailTable label="Conflicts" rows={of} columns={columns} first="record" empty="" />
    </>
  )
}

const columns: Column<Conflict>[] = [
  {
    id: 'record',
    title: 'Record',
    value: (c) => `${c.source}/${c.id} ${c.merge_hash}`,
    show: (c) => (
      <>
        <code>
          {c.source}/{c.id}
        </code>
        <small className={card.under}>
          <Link to="/advisories/$id" params={{ id: c.merge_hash }} title={c.merge_hash}>
            {shortHash(c.merge_hash)}
          </Link>
        </small>
      </>
    ),
  },
  {
    id: 'field',
    title: 'Field',
    value: (c) => fieldWords(c.field),
    show: (c) => <span className="nowrap">{fieldWords(c.field)}</span>,
  },
  { id: 'local', title: 'Here', value: (c) => conflictValue(c.field, c.local_value) },
  { id: 'remote', title: 'In the bundle', value: (c) => conflictValue(c.field, c.remote_value) },
  {
    id: 'resolution',
    title: 'Counts now',
    value: resolutionWords,
    show: (c) => (
      <>
        <span className="nowrap">{resolutionWords(c)}</span>
        <small className={card.under}>{c.resolution}</small>
      </>
    ),
  },
]
