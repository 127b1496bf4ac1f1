import { useQueries, useQuery } from '@tanstack/react-query'
import { useRef } from 'react'
import { facetsQuery, fieldsQuery } from '../../api/directory'
import type { Facet } from '../../api/types'
import { anyValue, asksFor, named, oneOf, standing, toggle, without, type Rename } from '../../directory/terms'
import { count, plural } from '../../words/count'
import { listOf } from '../../words/search'
import { severityWord } from '../../words/status'
import classes from './Facets.module.css'

/** The fields at the side, in their order, with what a value of theirs is called when there is none. */
const shown: { field: string; title: string; none: string }[] = [
  { field: 'status', title: 'Status', none: 'no status' },
  { field: 'severity', title: 'Worst vulnerability', none: 'not known' },
  { field: 'os', title: 'System', none: 'no system' },
  { field: 'site', title: 'Site', none: 'no site' },
  { field: 'region', title: 'Region', none: 'no region' },
  { field: 'tag', title: 'Tag', none: 'no tag' },
]

/** How many values of a field are shown at first, and at length. */
const few = 7
const many = 200

/** Other names of fields, as the server's table has them. */
export function useRename(): Rename {
  const fields = useQuery(fieldsQuery).data
  return (name) => fields?.find((f) => f.name === name || f.aliases?.includes(name))?.name ?? name
}

/**
 * Counts of the hosts that match, by value; a click asks for a value or takes that back. Where a host has
 * one value only, the others are counted as if none were asked for, so that they can be chosen as well.
 */
export function Facets({
  q,
  counted,
  blocked,
  shut,
  more,
  onSearch,
  onShut,
  onMore,
}: {
  q: string
  /** The search that is counted; undefined while there is none that can be. */
  counted: string | undefined
  /** What is asked for cannot be read: the counts are of another search, and no click can change this one. */
  blocked: boolean
  shut: string | undefined
  more: string | undefined
  onSearch: (q: string) => void
  onShut: (field: string) => void
  onMore: (field: string) => void
}) {
  const rename = useRename()
  const folded = new Set(listOf(shut))
  const long = new Set(listOf(more))
  // Fields that are counted for the same search and at the same length are asked for together.
  const groups = new Map<string, { q: string; top: number; fields: string[] }>()
  for (const { field } of shown) {
    if (folded.has(field) || counted === undefined) continue
    const of = oneOf(field) && asksFor(counted, field, rename) ? without(counted, field, rename) : counted
    const top = long.has(field) ? many : few
    const key = `${top} ${of}`
    const group = groups.get(key) ?? { q: of, top, fields: [] }
    group.fields.push(field)
    groups.set(key, group)
  }
  const answers = useQueries({ queries: [...groups.values()].map((g) => facetsQuery(g.q, g.fields, g.top)) })
  // What was counted last stays until there is something newer: nothing jumps.
  const last = useRef(new Map<string, Facet>())
  for (const a of answers) for (const f of a.data?.facets ?? []) last.current.set(f.field, f)
  const waiting = answers.some((a) => a.isPlaceholderData || a.isPending)

  // Before the first counts there is nothing that could keep its place.
  if (last.current.size === 0 && (waiting || counted === undefined))
    return <p className="hidden">The values are being counted.</p>
  return (
    <div className={classes.facets} data-dim={waiting || blocked || undefined} inert={blocked}>
      {shown.map(({ field, title, none }) => (
        <section key={field} className={classes.facet}>
          <h2>
            <button type="button" aria-expanded={!folded.has(field)} onClick={() => onShut(field)}>
              <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
                <path d="m2 3.5 3 3 3-3" />
              </svg>
              {title}
              {last.current.has(field) ? <small>{count(last.current.get(field)!.distinct)}</small> : null}
            </button>
          </h2>
          {folded.has(field) ? null : (
            <Values
              field={field}
              title={title}
              none={none}
              facet={last.current.get(field)}
              q={q}
              rename={rename}
              long={long.has(field)}
              onSearch={onSearch}
              onMore={() => onMore(field)}
            />
          )}
        </section>
      ))}
    </div>
  )
}

function Values({
  field,
  title,
  none,
  facet,
  q,
  rename,
  long,
  onSearch,
  onMore,
}: {
  field: string
  title: string
  none: string
  facet: Facet | undefined
  q: string
  rename: Rename
  long: boolean
  onSearch: (q: string) => void
  onMore: () => void
}) {
  if (!facet) {
    return (
      <ul className={classes.values} aria-busy="true">
        {Array.from({ length: 4 }, (_, i) => (
          <li key={i} className={classes.waiting} />
        ))}
      </ul>
    )
  }
  const values = (facet.values ?? []).slice(0, long ? many : few)
  const here = new Set(values.map((v) => v.value.toLowerCase()))
  // What the search names is shown even where nothing is left of it, to be taken back.
  const also = named(q, field, rename).filter((v) => !here.has(v))
  const rows = [...values, ...[...new Set(also)].map((value) => ({ value, n: undefined }))]
  const most = Math.max(1, ...values.map((v) => v.n))
  const left = facet.distinct - values.length
  return (
    <>
      <ul className={classes.values}>
        {rows.map(({ value, n }) => (
          <Value
            key={value}
            label={field === 'severity' ? severityOf(value) : value}
            mark={field === 'status' || field === 'severity' ? value : undefined}
            n={n}
            part={n === undefined ? 0 : n / most}
            stands={standing(q, field, value, rename)}
            onPick={(not) => onSearch(toggle(q, field, value, not, rename))}
          />
        ))}
        {facet.none > 0 || standing(q, field, anyValue, rename) === 'out' ? (
          <Value
            label={none}
            muted
            n={facet.none}
            part={facet.none / most}
            stands={standing(q, field, anyValue, rename) === 'out' ? 'in' : 'open'}
            onPick={(not) => onSearch(toggle(q, field, anyValue, !not, rename))}
          />
        ) : null}
        {rows.length === 0 && facet.none === 0 ? <li className={classes.nothing}>nothing to count</li> : null}
      </ul>
      {left > 0 && long ? <p className={classes.nothing}>and {plural(left, 'value')} that fewer have</p> : null}
      {left > 0 || long ? (
        <button type="button" className={classes.more} aria-expanded={long} onClick={onMore}>
          {long ? 'Show fewer' : `Show more (${count(left)})`}
          <span className="hidden"> of {title.toLowerCase()}</span>
        </button>
      ) : null}
    </>
  )
}

function severityOf(value: string): string {
  if (value === 'clean') return 'None found'
  if (value === 'unmatched') return 'Not matched yet'
  if (value === 'none') return 'Without effect'
  return severityWord(value)
}

function Value({
  label,
  mark,
  n,
  part,
  muted = false,
  stands,
  onPick,
}: {
  label: string
  mark?: string
  n: number | undefined
  part: number
  muted?: boolean
  stands: 'in' | 'out' | 'open'
  onPick: (not: boolean) => void
}) {
  return (
    <li className={classes.value} data-stands={stands}>
      <button
        type="button"
        className={classes.pick}
        aria-pressed={stands !== 'open'}
        title={stands === 'open' ? 'Click to ask for it, with Shift or Alt to rule it out' : 'Click to take it back'}
        onClick={(e) => onPick(stands === 'out' || (stands === 'open' && (e.shiftKey || e.altKey)))}
      >
        <span className={classes.part} style={{ inlineSize: `${Math.max(part * 100, part > 0 ? 1.5 : 0)}%` }} />
        {mark ? <span className={classes.dot} data-value={mark} aria-hidden="true" /> : null}
        <span className={classes.label} data-muted={muted || undefined}>
          {stands === 'out' ? <span className="hidden">ruled out: </span> : null}
          {label}
        </span>
        <span className={classes.n}>
          {n === undefined ? '' : count(n)}
          <span className="hidden">{n === undefined ? '' : n === 1 ? ' host' : ' hosts'}</span>
        </span>
      </button>
      {stands === 'open' ? (
        <button
          type="button"
          className={classes.not}
          aria-label={`Rule out ${label}, ${plural(n ?? 0, 'host')}`}
          title="Rule it out"
          onClick={() => onPick(true)}
        >
          −
        </button>
      ) : null}
    </li>
  )
}
