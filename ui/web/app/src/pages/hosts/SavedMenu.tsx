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
    .trim()
    .toLowerCase()
    .replace(/\s+/g, '-')
    .replace(/[^a-z0-9._-]/g, '')
    .replace(/^[._-]+/, '')
    .slice(0, 64)
}

/** Searches that are kept under a name, for everybody on this server. */
export function SavedMenu({
  query,
  sort,
  columns,
  disabled,
  onOpen,
}: {
  query: string
  sort: string | undefined
  /** Absent: the usual ones. */
  columns: string[] | undefined
  /** What is asked for cannot be read, and so not be kept. */
  disabled: boolean
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
  const fit = fitting(name)
  const same = list.some((s) => s.name === fit)

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
            if (fit && !disabled) void act(saveSearch(fit, { query, sort, columns }, same), `Saved as ${fit}`)
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
              aria-describedby="search-name-hint"
              onChange={(e) => setName(e.currentTarget.value)}
            />
            <Button type="submit" size="xs" disabled={fit === '' || disabled}>
              {same ? 'Replace' : 'Save'}
            </Button>
          </div>
          <p id="search-name-hint" className={classes.hint}>
            {disabled ? (
              'A search can be saved once it can be read.'
            ) : name.trim() === '' || name === fit ? null : fit === '' ? (
              'A name begins with a letter from a to z or a digit.'
            ) : (
              <>
                It will be called <code>{fit}</code>: names have small letters, digits and . _ -
              </>
            )}
          </p>
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
                  <code title={s.reading && s.reading !== s.query ? `Read as ${s.reading}` : undefined}>
                    {s.query || 'every host'}
                  </code>
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
