import { NativeSelect } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { historyQuery } from '../../api/host'
import type { Host, HostVersion } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { size } from '../../words/count'
import { historyKinds, type HostTab } from '../../words/detail'
import { instant, moment } from '../../words/time'
import { type Column, DetailTable } from '../DetailTable'
import { Asked } from './Asked'
import { Diff } from './Diff'

/** What a host had, and what changed between two of its versions. */
export function HostHistory({ host }: { host: Host }) {
  const search = useSearch({ from: '/hosts/$host' })
  const navigate = useNavigate()
  const kind = search.kind ?? 'packages'
  const query = useQuery(historyQuery(host.id, kind))
  const set = (more: HostTab) =>
    void navigate({
      to: '/hosts/$host',
      params: { host: host.id },
      search: { tab: 'history', kind: search.kind, ...more },
      replace: true,
    })
  return (
    <Asked title="History" query={query}>
      {(a) => {
        const versions = [...a.rows].sort((x, y) => y.n - x.n)
        const name = (v: HostVersion) => {
          const t = instant(v.as_of ?? v.at)
          return { value: String(v.n), label: `${v.n}: ${t === undefined ? 'unknown time' : moment(t)}` }
        }
        // Where none are chosen, what changed last.
        const to = versions.find((v) => String(v.n) === search.to) ?? versions[0]
        const from =
          versions.find((v) => String(v.n) === search.from) ?? versions.find((v) => to !== undefined && v.n < to.n)
        return (
          <>
            <div className={card.filters}>
              <NativeSelect
                label="Of"
                value={kind}
                onChange={(e) => set({ kind: historyKinds.find((k) => k === e.currentTarget.value) })}
                data={historyKinds.map((k) => ({ value: k, label: k.charAt(0).toUpperCase() + k.slice(1) }))}
              />
              {from && to ? (
                <>
                  <NativeSelect
                    label="From version"
                    value={String(from.n)}
                    onChange={(e) => set({ from: e.currentTarget.value, to: String(to.n) })}
                    data={versions.map(name)}
                  />
                  <NativeSelect
                    label="To version"
                    value={String(to.n)}
                    onChange={(e) => set({ from: String(from.n), to: e.currentTarget.value })}
                    data={versions.map(name)}
                  />
                </>
              ) : null}
            </div>
            {from && to ? (
              from.n === to.n ? (
                <p className={card.note}>These are the same version.</p>
              ) : (
                <Diff host={host.id} kind={kind} from={from.n} to={to.n} />
              )
            ) : versions.length === 1 ? (
              <p className={card.note}>There is one version only: nothing has changed since it was first seen.</p>
            ) : null}
            <DetailTable
              label="Versions"
              rows={versions}
              columns={columns}
              first="n"
              empty="The site has no history of it."
            />
          </>
        )
      }}
    </Asked>
  )
}

const columns: Column<HostVersion>[] = [
  {
    id: 'n',
    title: 'Version',
    value: (v) => v.n,
    show: (v) => (
      <>
        {v.n}
        {v.current ? <small className={card.under}>current</small> : null}
      </>
    ),
    fallsFirst: true,
  },
  {
    id: 'as_of',
    title: 'Observed',
    value: (v) => v.as_of ?? v.at,
    show: (v) => {
      const t = instant(v.as_of ?? v.at)
      return (
        <>
          {t === undefined ? null : moment(t)}
          <small className={card.under}>
            <AsOf at={t} />
          </small>
        </>
      )
    },
    fallsFirst: true,
  },
  {
    id: 'changes',
    title: 'Since the version before',
    value: (v) => (v.added ?? 0) + (v.removed ?? 0) + (v.changed ?? 0),
    show: (v) =>
      v.added === undefined && v.removed === undefined && v.changed === undefined ? (
        <span className="muted">{v.n === 1 ? 'the first' : 'not known'}</span>
      ) : (
        `${v.added ?? 0} added, ${v.removed ?? 0} removed, ${v.changed ?? 0} changed`
      ),
    fallsFirst: true,
  },
  { id: 'size', title: 'Size', value: (v) => v.size, show: (v) => size(v.size), fallsFirst: true },
]
