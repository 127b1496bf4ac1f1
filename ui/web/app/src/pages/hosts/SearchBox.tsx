import { CloseButton } from '@mantine/core'
import { useLocation } from '@tanstack/react-router'
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'react'
import { placeOf } from '../../directory/bytes'
import { longestQuery } from '../../words/search'
import { count } from '../../words/count'
import classes from './SearchBox.module.css'
import { useCompletion } from './completion'

/** How long typing rests before it is searched for, in milliseconds. */
const rest = 250

/** What is wrong with a search, or may be, and where, in bytes. */
export interface Slip {
  q: string
  pos: number
  end: number
  doubt?: boolean
}

/** What is typed and not asked for yet: it will be in a moment, or it cannot be before it goes on. */
export type Draft = 'resting' | 'unfinished' | undefined

/**
 * The one box in which everything is asked for. q is what the address holds; what is typed goes there
 * once it rests (typed), or at once with Enter.
 */
export function SearchBox({
  q,
  slip,
  describedBy,
  onSearch,
  onDraft,
}: {
  q: string
  slip: Slip | undefined
  describedBy: string | undefined
  onSearch: (q: string, typed: boolean) => void
  onDraft: (draft: Draft) => void
}) {
  const find = useLocation({ select: (l) => l.state.find })
  const [text, setText] = useState(q)
  const [known, setKnown] = useState(q)
  const [caret, setCaret] = useState(q.length)
  const [asked, setAsked] = useState(false)
  const [at, setAt] = useState(-1)
  const put = useRef<number>(undefined)
  const input = useRef<HTMLInputElement>(null)
  const mirror = useRef<HTMLDivElement>(null)
  const list = useId()
  // The address may change by other hands: a facet, a link, the way back.
  if (q !== known) {
    setKnown(q)
    if (q !== text.trim()) setText(q)
  }

  const { items, accept, waiting } = useCompletion(text, caret, asked)
  const open = asked && items.length > 0
  const active = open ? Math.min(at, items.length - 1) : -1

  const latest = useRef(onSearch)
  latest.current = onSearch
  useEffect(() => {
    if (text.trim() === q || unfinished(text)) return
    const t = window.setTimeout(() => latest.current(text.trim(), true), rest)
    return () => window.clearTimeout(t)
  }, [text, q])
  const draft: Draft = text.trim() === q ? undefined : unfinished(text) ? 'unfinished' : 'resting'
  const drafted = useRef(onDraft)
  drafted.current = onDraft
  useLayoutEffect(() => drafted.current(draft), [draft])
  useEffect(() => {
    if (find) input.current?.focus()
  }, [find])
  useLayoutEffect(() => {
    if (put.current === undefined) return
    input.current?.setSelectionRange(put.current, put.current)
    setCaret(put.current)
    put.current = undefined
  }, [text])

  const close = () => {
    setAsked(false)
    setAt(-1)
  }
  const take = (i: number) => {
    const done = accept(i)
    if (!done) return
    put.current = done.caret
    setText(done.text)
    setAt(-1)
    setAsked(!done.whole)
    if (done.whole) latest.current(done.text.trim(), false)
    input.current?.focus()
  }

  const press = (e: React.KeyboardEvent<HTMLInputElement>) => {
    if (e.key === ' ' && e.ctrlKey) {
      e.preventDefault()
      setAsked(true)
    } else if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault()
      if (!open) setAsked(true)
      else if (e.key === 'ArrowDown') setAt(active + 1 >= items.length ? -1 : active + 1)
      else setAt(active < 0 ? items.length - 1 : active - 1)
    } else if (e.key === 'Tab' && !e.shiftKey && open) {
      e.preventDefault()
      take(Math.max(0, active))
    } else if (e.key === 'Enter') {
      e.preventDefault()
      if (active >= 0) take(active)
      else {
        close()
        latest.current(text.trim(), false)
      }
    } else if (e.key === 'Escape') {
      e.preventDefault()
      e.stopPropagation()
      if (asked) close()
      else document.getElementById('hosts')?.focus()
    }
  }

  const wrong = slip && slip.q === text.trim() ? slip : undefined
  const led = text.length - text.trimStart().length
  const from = wrong ? led + placeOf(slip!.q, wrong.pos) : 0
  const to = wrong ? led + placeOf(slip!.q, wrong.end) : 0
  return (
    <div className={classes.box} role="search">
      <svg className={classes.glass} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <circle cx="6.8" cy="6.8" r="4.6" />
        <path d="m10.4 10.4 3.6 3.6" />
      </svg>
      <div ref={mirror} className={classes.mirror} aria-hidden="true">
        {wrong ? (
          <>
            {text.slice(0, from)}
            <mark data-doubt={slip!.doubt || undefined}>{text.slice(from, to) || '\u00a0'}</mark>
            {text.slice(Math.max(to, from))}
          </>
        ) : null}
      </div>
      <input
        ref={input}
        id="search"
        className={classes.input}
        role="combobox"
        aria-label="Search hosts"
        aria-autocomplete="list"
        aria-haspopup="listbox"
        aria-expanded={open}
        aria-controls={open ? list : undefined}
        aria-activedescendant={active >= 0 ? `${list}-${active}` : undefined}
        aria-invalid={wrong && !wrong.doubt ? true : undefined}
        aria-describedby={wrong ? describedBy : undefined}
        aria-busy={waiting || undefined}
        placeholder="web*   status:down   os:debian>=12   ip:10.2.0.0/16"
        autoComplete="off"
        autoCapitalize="off"
        autoCorrect="off"
        enterKeyHint="search"
        spellCheck={false}
        maxLength={longestQuery}
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value)
          setCaret(e.currentTarget.selectionStart ?? e.currentTarget.value.length)
          setAsked(true)
          setAt(-1)
        }}
        onSelect={(e) => setCaret(e.currentTarget.selectionStart ?? 0)}
        onScroll={(e) => {
          if (mirror.current) mirror.current.scrollLeft = e.currentTarget.scrollLeft
        }}
        onKeyDown={press}
        onBlur={close}
      />
      <div className={classes.end}>
        {text ? (
          <CloseButton
            size="sm"
            aria-label="Clear the search"
            onClick={() => {
              setText('')
              latest.current('', false)
              input.current?.focus()
            }}
          />
        ) : (
          <kbd className={classes.kbd}>/</kbd>
        )}
      </div>
      {open ? (
        <div className={classes.list}>
          <ul role="listbox" id={list} aria-label="Completions">
            {items.map((item, i) => (
              <li
                key={item.text}
                id={`${list}-${i}`}
                ref={i === active ? (li) => li?.scrollIntoView({ block: 'nearest' }) : undefined}
                role="option"
                aria-selected={i === active}
                // A press would take the focus from the box, and close the list before the click.
                onMouseDown={(e) => e.preventDefault()}
                onClick={() => take(i)}
              >
                <code>{item.text}</code>
                <span className={classes.doc}>{item.doc}</span>
                {item.n > 0 ? <span className={classes.n}>{count(item.n)}</span> : null}
              </li>
            ))}
          </ul>
          <p className={classes.keys}>
            <kbd>↑</kbd> <kbd>↓</kbd> choose, <kbd>Tab</kbd> take, <kbd>Esc</kbd> close
          </p>
        </div>
      ) : null}
    </div>
  )
}

/** Whether a text ends where more must come: it would only be refused. */
function unfinished(text: string): boolean {
  const t = text.trimEnd()
  return /[:<>=,(|&!-]$/.test(t) || (t.match(/(?<!\\)"/g)?.length ?? 0) % 2 === 1
}
