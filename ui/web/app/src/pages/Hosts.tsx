import { Button, CloseButton, NativeSelect, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useLocation, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { errorText } from '../api/fault'
import { hostsQuery, nodeQuery, pageSize, sitesQuery, useFresh } from '../api/queries'
import { AsOf } from '../parts/AsOf'
import { Notice } from '../parts/Notice'
import { Prose } from '../parts/Prose'
import { hostStatuses, rowRange } from '../words/count'
import type { HostSearch } from '../words/search'
import { sentence } from '../words/status'
import { useTitle } from '../parts/title'
import { HostDrawer } from './HostDrawer'
import classes from './Hosts.module.css'
import { HostTable } from './HostTable'

/** How long typing rests before it is searched for, in milliseconds. */
const rest = 250

/** The directory of hosts. Everything that decides what is shown stands in the address. */
export function HostsPage() {
  useTitle('Hosts')
  const search = useSearch({ from: '/hosts' })
  const trail = useLocation({ select: (l) => l.state.trail })
  const navigate = useNavigate({ from: '/hosts' })
  const node = useQuery(nodeQuery)
  const query = useQuery(hostsQuery(search))
  const fresh = useFresh(query)
  const page = query.data
  const rows = page?.hosts ?? []

  // Another question starts on its first page.
  const ask = (change: Partial<HostSearch>, replace = false) =>
    void navigate({ search: { ...search, after: undefined, host: undefined, ...change }, replace })
  const open = (host: string | undefined) =>
    void navigate({ search: { ...search, host }, state: { trail }, resetScroll: false })

  const before = search.after === undefined ? 0 : trail ? trail.length * pageSize : undefined
  const filtered = Boolean(search.q || search.site || search.status)
  return (
    <div className={classes.page}>
      <h1 className="hidden">Hosts</h1>
      <div className={classes.filters} role="search">
        <SearchBox q={search.q ?? ''} onSearch={(q) => ask({ q: q || undefined }, true)} />
        {node.data?.role === 'site' ? null : <SiteFilter site={search.site} onPick={(site) => ask({ site })} />}
        <NativeSelect
          aria-label="Status"
          rightSection={chevron}
          value={search.status ?? ''}
          onChange={(e) => ask({ status: hostStatuses.find((s) => s === e.currentTarget.value) })}
          data={[{ value: '', label: 'Any status' }, ...hostStatuses.map((s) => ({ value: s, label: sentence(s) }))]}
        />
        {filtered ? (
          <Button variant="subtle" onClick={() => ask({ q: undefined, site: undefined, status: undefined })}>
            Clear
          </Button>
        ) : null}
      </div>
      {query.error && !node.error ? (
        <Notice tone="bad" title="The hosts cannot be read" alert>
          <Prose text={sentence(errorText(query.error))} />
        </Notice>
      ) : null}
      <div className={classes.sum}>
        <p role="status">{page ? rowRange(before, rows.length, page.total) : ' '}</p>
        {page ? (
          <p className="muted">
            as of <AsOf at={page.as_of} />
          </p>
        ) : null}
        <div className={classes.turn}>
          <Button
            variant="default"
            size="xs"
            disabled={search.after === undefined}
            onClick={() => {
              const back = trail ?? []
              void navigate({
                search: { ...search, after: back.at(-1) || undefined, host: undefined },
                state: { trail: back.slice(0, -1) },
              })
            }}
          >
            {search.after !== undefined && !trail ? 'First page' : 'Previous'}
          </Button>
          <Button
            variant="default"
            size="xs"
            disabled={!page?.next || query.isPlaceholderData}
            onClick={() =>
              void navigate({
                search: { ...search, after: page?.next, host: undefined },
                state: search.after === undefined || trail ? { trail: [...(trail ?? []), search.after ?? ''] } : {},
              })
            }
          >
            Next
          </Button>
        </div>
      </div>
      {page && rows.length === 0 ? (
        <Notice tone="none" title={filtered ? 'No host matches' : 'No host yet'}>
          {filtered
            ? 'Search by a part of the host name, the full name or an address.'
            : 'Hosts appear here once their agents report.'}
        </Notice>
      ) : (
        <HostTable hosts={page ? rows : undefined} fresh={fresh} dim={query.isPlaceholderData} onOpen={open} />
      )}
      <HostDrawer host={search.host} onClose={() => open(undefined)} />
    </div>
  )
}

function SearchBox({ q, onSearch }: { q: string; onSearch: (q: string) => void }) {
  const find = useLocation({ select: (l) => l.state.find })
  const [text, setText] = useState(q)
  const [known, setKnown] = useState(q)
  const input = useRef<HTMLInputElement>(null)
  // The address may change by other hands: a link, the way back, the Clear button.
  if (q !== known) {
    setKnown(q)
    if (q !== text.trim()) setText(q)
  }
  const latest = useRef(onSearch)
  latest.current = onSearch
  useEffect(() => {
    if (text.trim() === q) return
    const t = window.setTimeout(() => latest.current(text.trim()), rest)
    return () => window.clearTimeout(t)
  }, [text, q])
  useEffect(() => {
    if (find) input.current?.focus()
  }, [find])
  return (
    <TextInput
      ref={input}
      id="search"
      className={classes.search}
      aria-label="Search hosts by name or address"
      placeholder="Search by name or address"
      autoComplete="off"
      spellCheck={false}
      maxLength={256}
      value={text}
      onChange={(e) => setText(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key === 'Escape') setText('')
      }}
      rightSection={
        text ? (
          <CloseButton size="sm" aria-label="Clear the search" onClick={() => setText('')} />
        ) : (
          <kbd className={classes.kbd}>/</kbd>
        )
      }
    />
  )
}

const chevron = (
  <svg
    width="12"
    height="12"
    viewBox="0 0 12 12"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.6"
    strokeLinecap="round"
    aria-hidden="true"
  >
    <path d="m2.5 4.5 3.5 3.5 3.5-3.5" />
  </svg>
)

function SiteFilter({ site, onPick }: { site: string | undefined; onPick: (site: string | undefined) => void }) {
  const sites = useQuery(sitesQuery)
  const names = (sites.data ?? []).map((s) => ({ value: s.name, label: s.name }))
  // A site that is filtered by and not in the list (an id, or one that is gone) still has to be seen.
  if (site && !names.some((n) => n.value === site)) names.push({ value: site, label: site })
  return (
    <NativeSelect
      aria-label="Site"
      rightSection={chevron}
      value={site ?? ''}
      onChange={(e) => onPick(e.currentTarget.value || undefined)}
      data={[{ value: '', label: 'Any site' }, ...names]}
    />
  )
}
