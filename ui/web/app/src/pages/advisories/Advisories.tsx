import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { advisoriesQuery } from '../../api/advisories'
import { nodeQuery, overviewQuery } from '../../api/queries'
import type { CanonicalRow } from '../../api/types'
import card from '../../parts/Card.module.css'
import { More } from '../../parts/More'
import { Notice } from '../../parts/Notice'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { isIdentifier, isMergeHash, withdrawnWays, type AdvisorySearch } from '../../words/advisories'
import { count } from '../../words/count'
import { severities, severityWord } from '../../words/status'
import classes from './Advisories.module.css'
import { HowOld } from './HowOld'
import { Rows } from './Rows'
import { Views } from './Views'

/** The vulnerabilities that are known of here, whether a host has them or not. */
export function AdvisoriesPage() {
  useTitle('Advisories')
  const search = useSearch({ from: '/advisories' })
  const overview = useQuery(overviewQuery).data
  const none = overview?.advisory_n === 0
  return (
    <div className={card.page}>
      <Views />
      <header className={card.head}>
        <h1>Advisories</h1>
        {overview && !none ? <HowOld overview={overview} /> : null}
      </header>
      {none ? <Nothing /> : <Filters key={JSON.stringify(search)} search={search} />}
      {none ? null : <Found search={search} />}
    </div>
  )
}

/** What to do where there are none. */
function Nothing() {
  const node = useQuery(nodeQuery).data
  const below = node?.role === 'site' && node.uplink && node.uplink.state !== 'unenrolled'
  return (
    <Notice tone="warn" title="No advisories are held here, so nothing can be said of vulnerabilities">
      {below ? (
        <>
          They come from the controller, as soon as it has some and the link is up. Without a link,{' '}
          <code>skerry bundle import FILE</code> takes them from a file.
        </>
      ) : (
        <>
          <code>skerry advisories ingest PATH</code> takes in what sources publish,{' '}
          <code>skerry bundle import FILE</code> what another server exported. Sources that are named in the
          configuration are fetched by themselves.
        </>
      )}
      <HowOld />
    </Notice>
  )
}

const spans = { '1d': 'Within a day', '7d': 'Within 7 days', '30d': 'Within 30 days' }
const withdrawn = { exclude: 'Leave out', only: 'Only those' }

function Filters({ search }: { search: AdvisorySearch }) {
  const navigate = useNavigate()
  const [q, setQ] = useState(search.q ?? '')
  const [source, setSource] = useState(search.source ?? '')
  const go = (more: Partial<AdvisorySearch>) =>
    void navigate({
      to: '/advisories',
      search: { ...search, q: q.trim() || undefined, source: source.trim() || undefined, ...more },
    })
  const filtered = Object.values(search).some((v) => v !== undefined)
  return (
    <form
      role="search"
      aria-label="Advisories"
      className={classes.form}
      onSubmit={(e) => {
        e.preventDefault()
        const hash = q.trim().toLowerCase()
        if (isMergeHash(hash)) void navigate({ to: '/advisories/$id', params: { id: hash } })
        else go({})
      }}
    >
      <div className={classes.search}>
        <TextInput
          id="search"
          label="Search"
          placeholder="CVE-2024-1234, words, or pkg:npm/express@4.0.0"
          maxLength={256}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={q}
          onChange={(e) => setQ(e.currentTarget.value)}
        />
        <Button type="submit">Search</Button>
        {filtered ? (
          <Button variant="subtle" onClick={() => void navigate({ to: '/advisories', search: {} })}>
            Clear
          </Button>
        ) : null}
      </div>
      <div className={card.filters} role="group" aria-label="Filters">
        <NativeSelect
          label="Severity"
          value={search.severity ?? ''}
          onChange={(e) => go({ severity: severities.find((s) => s === e.currentTarget.value) })}
          data={[{ value: '', label: 'Any' }, ...severities.map((s) => ({ value: s, label: severityWord(s) }))]}
        />
        <TextInput
          label="Source"
          placeholder="any, such as nvd"
          maxLength={64}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={source}
          onChange={(e) => setSource(e.currentTarget.value)}
          onBlur={() => {
            if (source.trim() !== (search.source ?? '')) go({})
          }}
        />
        <NativeSelect
          label="Withdrawn"
          value={search.withdrawn ?? ''}
          onChange={(e) => go({ withdrawn: withdrawnWays.find((w) => w === e.currentTarget.value) })}
          data={[
            { value: '', label: 'With the others' },
            ...withdrawnWays.map((w) => ({ value: w, label: withdrawn[w] })),
          ]}
        />
        <NativeSelect
          label="Changed here"
          value={search.changed ?? ''}
          onChange={(e) => go({ changed: (e.currentTarget.value || undefined) as AdvisorySearch['changed'] })}
          data={[
            { value: '', label: 'At any time' },
            ...Object.entries(spans).map(([value, label]) => ({ value, label })),
          ]}
        />
        <Checkbox
          className={classes.check}
          label="Known exploited"
          checked={search.known !== undefined}
          onChange={(e) => go({ known: e.currentTarget.checked ? 'yes' : undefined })}
        />
      </div>
    </form>
  )
}

function Found({ search }: { search: AdvisorySearch }) {
  const query = useInfiniteQuery(advisoriesQuery(search))
  const rows = query.data?.pages.flatMap((p) => p.canonicals ?? []) ?? []
  const total = query.data?.pages.at(-1)?.total
  return (
    <>
      <Refusal error={query.error} title="The advisories cannot be searched" />
      {total === undefined ? (
        query.error ? null : (
          <p className="muted">Asking the server…</p>
        )
      ) : (
        <section className={classes.found} aria-label="Found" aria-busy={query.isPlaceholderData}>
          <p className={card.note} role="status">
            {total === 0
              ? 'Nothing was found.'
              : `${count(total)} ${total === 1 ? 'vulnerability' : 'vulnerabilities'}${rows.length < total ? `, of which ${count(rows.length)} are here` : ''} · by id`}
          </p>
          <Elsewhere q={search.q} found={rows} />
          {total > 0 ? <Rows rows={rows} judged={search.q?.startsWith('pkg:') === true} /> : null}
          <More query={query} />
        </section>
      )}
    </>
  )
}

/** The way to an identifier that nothing that was found has for its own: records may name it, and hosts may have it. */
function Elsewhere({ q, found }: { q?: string; found: CanonicalRow[] }) {
  if (!q || !isIdentifier(q) || found.some((c) => c.id.toLowerCase() === q.toLowerCase())) return null
  return (
    <p className={classes.elsewhere}>
      <Link to="/advisories/$id" params={{ id: q }}>
        Open {q}
      </Link>{' '}
      <span className="muted">to see who names it and which hosts have it.</span>
    </p>
  )
}
