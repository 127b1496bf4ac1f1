import { ActionIcon, Button, Drawer } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useLocalNow } from '../../clock'
import { errorText, Refused } from '../../api/fault'
import { nodeQuery, useFresh } from '../../api/queries'
import type { Host } from '../../api/types'
import { clicked, readOrder, writeOrder } from '../../directory/order'
import { all, flip, noSelection, type Selection } from '../../directory/selection'
import { useDirectory, useLive, useSummary } from '../../directory/use'
import { Notice } from '../../parts/Notice'
import { Prose } from '../../parts/Prose'
import { useTitle } from '../../parts/title'
import { flipped, type HostSearch } from '../../words/search'
import { sentence } from '../../words/status'
import { HostDrawer } from '../HostDrawer'
import { colsOf, columnsOf, orderOf } from './columns'
import { ColumnsMenu } from './ColumnsMenu'
import { ExportMenu } from './ExportMenu'
import { Facets } from './Facets'
import { HostGrid, type GridHandle } from './HostGrid'
import classes from './Hosts.module.css'
import { useKeys } from './useKeys'
import { Keys } from './Keys'
import { SavedMenu } from './SavedMenu'
import { SearchBox } from './SearchBox'
import { SelectionBar } from './SelectionBar'
import { Sum } from './Sum'

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
  const order = readOrder(search.sort)
  const columns = columnsOf(search.cols)
  const narrow = useMediaQuery('(max-width: 46em)', undefined, { getInitialValueInEffect: false }) ?? false
  const beside = useMediaQuery('(min-width: 62em)', undefined, { getInitialValueInEffect: false }) ?? true
  const rem = useRem()

  const { shown, pending, error } = useDirectory(q, search.sort)
  const summary = useSummary(shown?.directory)
  const live = useLive(shown)
  const now = useLocalNow()
  const fresh =
    nodeFresh && summary.error === undefined && (summary.answeredAt === 0 || now - summary.answeredAt < freshFor)

  const [selection, setSelection] = useState<Selection>(noSelection)
  const [keys, setKeys] = useState(false)
  const [filters, setFilters] = useState(false)
  const [failed, setFailed] = useState<unknown>()
  const grid = useRef<GridHandle>(null)

  const go = (change: Partial<HostSearch>, replace = true) =>
    void navigate({ search: { ...search, ...change }, replace, resetScroll: false })
  const ask = (text: string) => {
    setFailed(undefined)
    if (text !== q) go({ q: text || undefined, host: undefined })
  }
  const open = (host: string | undefined) => go({ host }, false)
  const flipHost = (host: Host) => setSelection((s) => flip(s, shown?.q ?? q, host))
  const selectAll = () => setSelection(all(shown?.q ?? q, summary.total))
  // All that match is as many as match now.
  const marked: Selection =
    selection.kind === 'all' && selection.q === shown?.q && !pending
      ? { ...selection, total: summary.total }
      : selection

  useKeys({
    step: (by) => {
      grid.current?.focus()
      grid.current?.step(by)
    },
    open: () => {
      const host = grid.current?.current()
      if (host) open(host.id)
      return host !== undefined
    },
    select: () => {
      const host = grid.current?.current()
      if (host) flipHost(host)
    },
    refresh: () => shown?.directory.refresh(),
    help: () => setKeys(true),
  })

  const span = error instanceof Refused ? error.span : undefined
  const facets = (
    <Facets
      q={q}
      counted={shown ? shown.q : span ? '' : undefined}
      shut={search.shut}
      more={search.more}
      onSearch={ask}
      onShut={(field) => go({ shut: flipped(search.shut, field) })}
      onMore={(field) => go({ more: flipped(search.more, field) })}
    />
  )
  const trouble = failed ?? (node.error ? undefined : span ? undefined : (error ?? summary.error))
  return (
    <div className={classes.page} data-fill>
      <h1 className="hidden">Hosts</h1>
      <div className={classes.tools}>
        <SearchBox
          q={q}
          slip={span ? { q, pos: span.pos, end: span.end } : undefined}
          describedBy="search-slip"
          onSearch={ask}
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
            columns={columns.map((c) => c.id)}
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
            onColumns={(ids) => go({ cols: ids && colsOf(ids) })}
            onOrder={(o) => go({ sort: writeOrder(o) })}
          />
          <ExportMenu
            q={shown?.q ?? ''}
            sort={shown?.sort}
            columns={columns.map((c) => c.id)}
            total={summary.total}
            selection={marked}
            onError={setFailed}
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
        refused={span ? (error as Refused) : undefined}
        onSearch={ask}
        onRefresh={() => shown?.directory.refresh()}
      >
        <SelectionBar
          selection={marked}
          q={shown?.q ?? q}
          total={summary.total}
          onAll={selectAll}
          onShow={ask}
          onClear={() => setSelection(noSelection)}
        />
      </Sum>
      {trouble !== undefined ? (
        <Notice tone="bad" title={failed === undefined ? 'The hosts cannot be read' : 'The file cannot be made'} alert>
          <Prose text={sentence(errorText(trouble))} />
        </Notice>
      ) : null}
      <div className={classes.view}>
        {beside ? (
          <aside className={classes.side} aria-label="Filters">
            {facets}
          </aside>
        ) : null}
        <div className={classes.list}>
          {shown ? (
            <HostGrid
              ref={grid}
              directory={shown.directory}
              summary={summary}
              columns={columns}
              order={readOrder(shown.sort)}
              q={shown.q}
              selection={marked}
              fresh={fresh}
              dim={pending}
              narrow={narrow}
              rem={rem}
              onOrder={(c) => go({ sort: writeOrder(clicked(order, orderOf(c), c.first ?? 'up')) })}
              onOpen={(host) => open(host.id)}
              onFlip={flipHost}
              onAll={(on) => (on ? selectAll() : setSelection(noSelection))}
            />
          ) : (
            <div className={`${classes.blank} ${classes.wait}`}>
              {span ? 'The hosts are shown once the search can be read.' : null}
            </div>
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

/** Pixels of the root font size; people set it in their browser. */
function useRem(): number {
  const [rem, setRem] = useState(() => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16)
  useEffect(() => {
    const measure = () => setRem(parseFloat(getComputedStyle(document.documentElement).fontSize) || 16)
    window.addEventListener('resize', measure)
    return () => window.removeEventListener('resize', measure)
  }, [])
  return rem
}
