import { ActionIcon, Button, Drawer } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { useLocalNow } from '../../clock'
import { errorText, Refused } from '../../api/fault'
import { facetsKey } from '../../api/directory'
import { nodeQuery, queries, useFresh } from '../../api/queries'
import { clicked, readOrder, writeOrder } from '../../directory/order'
import { useDirectory, useLive, useRecount, useSummary } from '../../directory/use'
import { Notice } from '../../parts/Notice'
import { Prose } from '../../parts/Prose'
import { useTitle } from '../../parts/title'
import { flipped, type HostSearch } from '../../words/search'
import { sentence } from '../../words/status'
import { HostDrawer } from '../HostDrawer'
import { colsOf, columnsOf, orderOf, usualFor } from './columns'
import { ColumnsMenu } from './ColumnsMenu'
import { ExportMenu } from './ExportMenu'
import { Facets } from './Facets'
import { HostGrid, type GridHandle } from './HostGrid'
import classes from './Hosts.module.css'
import { useKeys } from './useKeys'
import { Keys } from './Keys'
import { SavedMenu } from './SavedMenu'
import { SearchBox, type Draft } from './SearchBox'
import { SelectionBar } from './SelectionBar'
import { Sum } from './Sum'
import { useRem, useRoom } from './useRoom'
import { useSelection } from './useSelection'

/** How old what is in view may be and still be taken for the present: three missed looks and a little. */
const freshFor = 50_000

/** The directory of hosts. Everything that decides what is shown stands in the address. */
export function HostsPage() {
  useTitle('Hosts')
  const search = useSearch({ from: '/hosts' })
  const navigate = useNavigate({ from: '/hosts' })
  const node = useQuery(nodeQuery)
  const nodeFresh = useFresh(node)
  const q = search.q ?? ''
  const narrow = useMediaQuery('(max-width: 46em)', undefined, { getInitialValueInEffect: false }) ?? false
  const beside = useMediaQuery('(min-width: 62em)', undefined, { getInitialValueInEffect: false }) ?? true
  const rem = useRem()
  const list = useRef<HTMLDivElement>(null)
  const room = useRoom(list, rem)
  // On a phone a row has lines, and no columns.
  const columns = columnsOf(search.cols, narrow ? Infinity : room)

  const { shown, pending, error, unordered } = useDirectory(q, search.sort)
  const summary = useSummary(shown?.directory)
  // The order as the server reads it: another name of a field is the same order.
  const order = readOrder(pending ? search.sort : summary.sort || search.sort)
  const live = useLive(shown)
  useRecount(shown, summary.total, () => void queries.invalidateQueries({ queryKey: facetsKey }))
  const now = useLocalNow()
  const fresh =
    nodeFresh && summary.error === undefined && (summary.answeredAt === 0 || now - summary.answeredAt < freshFor)

  const [keys, setKeys] = useState(false)
  const [filters, setFilters] = useState(false)
  const [draft, setDraft] = useState<Draft>()
  const [failed, setFailed] = useState<{ what: string; error: unknown }>()
  const grid = useRef<GridHandle>(null)

  // Each step to another search or order is one to come back to; what is typed in one go is one step.
  const typing = useRef<string>(undefined)
  const go = (change: Partial<HostSearch>, replace = true) => {
    typing.current = undefined
    void navigate({ search: { ...search, ...change }, replace, resetScroll: false })
  }
  const ask = (text: string, typed = false) => {
    setFailed(undefined)
    if (text !== q) go({ q: text || undefined, host: undefined }, typed && typing.current === q)
    typing.current = typed ? text : undefined
  }
  const open = (host: string | undefined) => go({ host }, false)
  const marks = useSelection({
    shown,
    q,
    pending,
    total: summary.total,
    onError: (error) => setFailed({ what: 'These hosts cannot be selected', error }),
  })

  useKeys({
    rows: (key) => grid.current?.press(key) ?? false,
    open: () => {
      const at = grid.current?.current()
      if (at) open(at.host.id)
      return at !== undefined
    },
    select: (ranged) => {
      const at = grid.current?.current()
      if (at) marks.flip(at.host, at.row, ranged)
    },
    refresh: () => shown?.directory.refresh(),
    help: () => setKeys(true),
  })

  const span = error instanceof Refused ? error.span : undefined
  // What the box asks for cannot be had as it stands: what is shown is of the search before.
  const blocked = draft === 'unfinished' || (pending && error !== undefined)
  const note = !pending && draft === undefined ? summary.notes[0] : undefined
  const facets = (
    <Facets
      q={blocked ? (shown?.q ?? '') : q}
      counted={shown?.q}
      blocked={blocked}
      shut={search.shut}
      more={search.more}
      onSearch={ask}
      onShut={(field) => go({ shut: flipped(search.shut, field) })}
      onMore={(field) => go({ more: flipped(search.more, field) })}
    />
  )
  const trouble = failed?.error ?? (node.error ? undefined : span ? undefined : (error ?? summary.error))
  return (
    <div className={classes.page} data-fill>
      <h1 className="hidden">Hosts</h1>
      <div className={classes.tools}>
        <SearchBox
          q={q}
          slip={span ? { q, ...span } : note ? { q, pos: note.pos, end: note.end, doubt: true } : undefined}
          describedBy="search-slip"
          onSearch={ask}
          onDraft={setDraft}
        />
        <div className={classes.menus}>
          {beside ? null : (
            <Button variant="default" onClick={() => setFilters(true)}>
              Filters
            </Button>
          )}
          <SavedMenu
            query={q}
            sort={search.sort}
            columns={search.cols ? columns.map((c) => c.id) : undefined}
            disabled={blocked}
            onOpen={(s) =>
              go(
                { q: s.query || undefined, sort: s.sort || undefined, cols: colsOf(s.columns ?? []), host: undefined },
                false,
              )
            }
          />
          <ColumnsMenu
            columns={columns}
            order={order}
            spared={search.cols ? [] : usualFor(Infinity).filter((c) => !columns.includes(c))}
            onColumns={(ids) => go({ cols: ids && colsOf(ids) })}
            onOrder={(o) => go({ sort: writeOrder(o) }, false)}
          />
          <ExportMenu
            q={shown?.q ?? ''}
            sort={shown?.sort}
            columns={columns.map((c) => c.id)}
            total={summary.total}
            selection={marks.selection}
            disabled={blocked}
            onError={(error) => setFailed({ what: 'The file cannot be made', error })}
          />
          <ActionIcon
            className={classes.help}
            variant="subtle"
            color="gray"
            size="lg"
            aria-label="Keys"
            onClick={() => setKeys(true)}
          >
            ?
          </ActionIcon>
        </div>
      </div>
      <Sum
        q={q}
        summary={summary}
        live={live}
        pending={pending}
        draft={draft}
        failed={pending && error !== undefined}
        refused={span ? (error as Refused) : undefined}
        onSearch={ask}
        onRefresh={() => shown?.directory.refresh()}
      >
        <SelectionBar
          selection={marks.selection}
          q={shown?.q ?? q}
          total={summary.total}
          onAll={marks.all}
          onShow={ask}
          onClear={marks.none}
        />
      </Sum>
      {trouble !== undefined ? (
        <Notice tone="bad" title={failed?.what ?? 'The hosts cannot be read'} alert>
          <Prose text={sentence(errorText(trouble))} />
        </Notice>
      ) : null}
      {unordered !== undefined ? (
        <Notice tone="warn" title={`There is no order “${search.sort}”`}>
          The hosts are ordered by name instead; a click on the head of a column orders by that.
        </Notice>
      ) : null}
      <div className={classes.view}>
        {beside ? (
          // What is greyed can still be read to its end.
          <aside className={classes.side} aria-label="Filters" tabIndex={blocked ? 0 : undefined}>
            {facets}
          </aside>
        ) : null}
        <div ref={list} className={classes.list}>
          {shown ? (
            <HostGrid
              ref={grid}
              directory={shown.directory}
              summary={summary}
              columns={columns}
              order={order}
              q={shown.q}
              selection={marks.selection}
              fresh={fresh}
              dim={pending || blocked}
              narrow={narrow}
              rem={rem}
              onOrder={(c) => go({ sort: writeOrder(clicked(order, orderOf(c), c.first ?? 'up')) }, false)}
              onOpen={(host) => open(host.id)}
              onFlip={marks.flip}
              onAll={(on) => (on ? marks.all() : marks.none())}
            />
          ) : (
            <div className={classes.blank} />
          )}
          {shown && summary.rows === 0 && !pending ? (
            <div className={classes.none}>
              <Notice tone="none" title={shown.q ? 'No host matches' : 'No host yet'}>
                {shown.q
                  ? 'Take a condition back, or look at what each of its values leaves at the side.'
                  : 'Hosts appear here once their agents report.'}
              </Notice>
            </div>
          ) : null}
        </div>
      </div>
      <Drawer
        opened={filters && !beside}
        onClose={() => setFilters(false)}
        title="Filters"
        size="20rem"
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        {facets}
      </Drawer>
      <HostDrawer host={search.host} onClose={() => open(undefined)} />
      <Keys opened={keys} onClose={() => setKeys(false)} />
    </div>
  )
}
