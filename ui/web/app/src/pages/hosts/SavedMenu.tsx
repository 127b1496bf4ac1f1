import { Button, Popover } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { deleteSearch, saveSearch, searchesQuery } from '../../api/directory'
import { errorText } from '../../api/fault'
import type { SavedSearch } from '../../api/types'
import { Prose } from '../../parts/Prose'
import { sentence } from '../../words/status'
import classes from './Menus.module.css'

/** What was typed as a name that the server takes. */
function fitting(text: string): string {
  return text
    .toLowerCase()
    .replace(/\s+/g, '-')
    .replace(/[^a-z0-9._-]/g, '')
    .replace(/^[._-]+/, '')
}

/** Searches that are kept under a name, for everybody on this server. */
export function SavedMenu({
  query,
  sort,
  columns,
  onOpen,
}: {
  query: string
  sort: string | undefined
  columns: string[]
  onOpen: (s: SavedSearch) => void
}) {
  const [opened, setOpened] = useState(false)
  const [name, setName] = useState('')
  const [doomed, setDoomed] = useState<string>()
  const [said, setSaid] = useState('')
  const field = useRef<HTMLInputElement>(null)
  const [error, setError] = useState<unknown>()
  const saved = useQuery({ ...searchesQuery, enabled: opened })
  const list = saved.data ?? []
  const same = list.some((s) => s.name === name.trim())

  const act = async (work: Promise<void>, done: string) => {
    setError(undefined)
    try {
      await work
      setSaid(done)
    } catch (err) {
      setError(err)
    }
  }
  return (
    <Popover
      position="bottom-end"
      shadow="md"
      trapFocus
      returnFocus
      width={340}
      opened={opened}
      onChange={(o) => {
        setOpened(o)
        setDoomed(undefined)
        setSaid('')
        setError(undefined)
      }}
    >
      <Popover.Target>
        <Button variant="default" onClick={() => setOpened(!opened)}>
          Saved
        </Button>
      </Popover.Target>
      <Popover.Dropdown className={classes.panel} aria-label="Saved searches">
        <form
          className={classes.save}
          onSubmit={(e) => {
            e.preventDefault()
            const n = name.trim()
            if (n) void act(saveSearch(n, { query, sort, columns }), `Saved as ${n}`)
          }}
        >
          <label htmlFor="search-name">Save this search, its order and its columns as</label>
          <div>
            <input
              ref={field}
              id="search-name"
              value={name}
              maxLength={64}
              autoComplete="off"
              onChange={(e) => setName(fitting(e.currentTarget.value))}
            />
            <Button type="submit" size="xs" disabled={name.trim() === ''}>
              {same ? 'Replace' : 'Save'}
            </Button>
          </div>
        </form>
        {error !== undefined || saved.error ? (
          <p className={classes.error} role="alert">
            <Prose text={sentence(errorText(error ?? saved.error))} />
          </p>
        ) : null}
        {list.length > 0 ? (
          <ul className={classes.saved} aria-label="Saved searches">
            {list.map((s) => (
              <li key={s.name}>
                <button
                  type="button"
                  className={classes.open}
                  onClick={() => {
                    onOpen(s)
                    setOpened(false)
                    setName(s.name)
                  }}
                >
                  <b>{s.name}</b>
                  <code>{s.query || 'every host'}</code>
                </button>
                <button
                  type="button"
                  className={classes.delete}
                  data-sure={doomed === s.name || undefined}
                  aria-label={doomed === s.name ? `Delete ${s.name} for everybody` : `Delete ${s.name}`}
                  onBlur={() => setDoomed(undefined)}
                  onClick={() => {
                    if (doomed === s.name) {
                      // The button goes away with its search.
                      field.current?.focus()
                      void act(deleteSearch(s.name), `${s.name} is deleted`)
                    }
                    setDoomed(doomed === s.name ? undefined : s.name)
                  }}
                >
                  {doomed === s.name ? 'Delete?' : '×'}
                </button>
              </li>
            ))}
          </ul>
        ) : saved.data ? (
          <p className="muted">No search is saved yet.</p>
        ) : null}
        <p className={classes.said} role="status">
          {said}
        </p>
      </Popover.Dropdown>
    </Popover>
  )
}
