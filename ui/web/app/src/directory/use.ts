// The rows of the present search, in React: the old rows stay until the new ones are there.

import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Refused } from '../api/fault'
import { source, watchAddress } from '../api/directory'
import { readOrder } from './order'
import { Directory, type Summary } from './rows'
import { watch } from './watch'

interface Asked {
  q: string
  sort: string | undefined
}

export interface Shown extends Asked {
  directory: Directory
}

export interface UsedDirectory {
  /** What is shown; undefined before the first answer ever. */
  shown: Shown | undefined
  /** Whether the address asks for something that is not shown yet. */
  pending: boolean
  /** Why what the address asks for cannot be shown. */
  error: unknown
  /** Why the order that the address asks for is not the one of what is shown. */
  unordered: unknown
}

/** What a refusal is about that is about the order alone. */
const orderAsked = 'query.sort'

/** Between two looks at the rows in view, in milliseconds. Changes are told at once; this is for the rest. */
const glance = 15_000
/** Between two attempts at a first answer, in milliseconds. */
const retry = 5000
/** At most so often when changes come too fast to be told one by one. */
const hurried = 2500

/**
 * What cannot be read leaves what was shown last; where nothing was shown yet that is every host. An order that
 * there is not is left out.
 */
export function useDirectory(q: string, sort: string | undefined): UsedDirectory {
  const [shown, setShown] = useState<Shown>()
  const [failed, setFailed] = useState<Asked & { error: unknown }>()
  const [unknown, setUnknown] = useState<{ sort: string | undefined; error: unknown }>()
  const current = useRef<Shown>(undefined)
  const unordered = unknown && unknown.sort === sort ? unknown.error : undefined
  const order = unordered === undefined ? sort : undefined

  useEffect(() => {
    const made: Directory[] = []
    let instead = false
    const ask = (text: string) => {
      const directory = new Directory(source(text, order), readOrder(order))
      const asked: Shown = { q: text, sort: order, directory }
      made.push(directory)
      directory.subscribe(() => {
        const { ready, error } = directory.summary()
        if (ready && current.current !== asked) {
          current.current?.directory.close()
          current.current = asked
          setShown(asked)
          if (text === q) setFailed(undefined)
        } else if (!ready && error !== undefined && text === q) {
          if (error instanceof Refused && error.about === orderAsked && order !== undefined) {
            setUnknown({ sort: order, error })
            return
          }
          setFailed({ q, sort: order, error })
          if (error instanceof Refused && q !== '' && current.current === undefined && !instead) {
            instead = true
            ask('')
          }
        }
      })
      directory.look(0, 60)
      return directory
    }
    ask(q)
    // A server that is silent or busy is asked again; one that has said no is not.
    const again = setInterval(() => {
      for (const directory of made) {
        const { ready, error } = directory.summary()
        if (!ready && error !== undefined && !(error instanceof Refused && error.status < 429)) directory.look(0, 60)
      }
    }, retry)
    return () => {
      clearInterval(again)
      for (const directory of made) if (current.current?.directory !== directory) directory.close()
    }
  }, [q, order])

  useEffect(
    () => () => {
      current.current?.directory.close()
      current.current = undefined
    },
    [],
  )

  const error = failed && failed.q === q && failed.sort === order ? failed.error : undefined
  return { shown, pending: shown?.q !== q || shown.sort !== order, error, unordered }
}

const nothing: Summary = {
  ready: false,
  rows: 0,
  total: 0,
  tookUs: 0,
  asOf: '',
  query: '',
  sort: '',
  notes: [],
  answeredAt: 0,
  waiting: 0,
  error: undefined,
}
const never = () => () => undefined

export function useSummary(directory: Directory | undefined): Summary {
  return useSyncExternalStore(directory?.subscribe ?? never, directory?.summary ?? (() => nothing))
}

/** Keeps what is shown up to date: by what the server tells, and by looking again. Returns whether it is being told. */
export function useLive(shown: Shown | undefined): boolean {
  const [told, setTold] = useState(false)
  useEffect(() => {
    if (!shown) return
    const { directory } = shown
    let soon: ReturnType<typeof setTimeout> | undefined
    const look = () => {
      if (document.visibilityState === 'visible') void directory.glance()
    }
    const stop = watch(watchAddress(shown.q), {
      change: (host) => directory.changed(host),
      leave: (id) => directory.gone(id),
      total: (total, asOf) => directory.counted(total, asOf),
      reset: () => {
        soon ??= setTimeout(() => {
          soon = undefined
          look()
        }, hurried)
      },
      told: setTold,
    })
    const timer = setInterval(look, glance)
    document.addEventListener('visibilitychange', look)
    return () => {
      stop()
      clearInterval(timer)
      clearTimeout(soon)
      document.removeEventListener('visibilitychange', look)
    }
  }, [shown])
  return told
}

/**
 * Calls recount when the number of hosts changes under one and the same search, at most every `hurried`: what was
 * counted beside it would no longer add up.
 */
export function useRecount(shown: Shown | undefined, total: number, recount: () => void): void {
  const was = useRef<{ shown: Shown | undefined; total: number }>(undefined)
  const due = useRef<ReturnType<typeof setTimeout>>(undefined)
  const last = useRef(0)
  const act = useRef(recount)
  act.current = recount
  useEffect(() => {
    const before = was.current
    was.current = { shown, total }
    if (before?.shown !== shown || before?.total === total) return
    due.current ??= setTimeout(
      () => {
        due.current = undefined
        last.current = Date.now()
        act.current()
      },
      Math.max(0, last.current + hurried - Date.now()),
    )
  }, [shown, total])
  useEffect(() => () => clearTimeout(due.current), [])
}
