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
}

/** Between two looks at the rows in view, in milliseconds. Changes are told at once; this is for the rest. */
const glance = 15_000
/** Between two attempts at a first answer, in milliseconds. */
const retry = 5000
/** At most so often when changes come too fast to be told one by one. */
const hurried = 2500

export function useDirectory(q: string, sort: string | undefined): UsedDirectory {
  const [shown, setShown] = useState<Shown>()
  const [failed, setFailed] = useState<Asked & { error: unknown }>()
  const current = useRef<Shown>(undefined)

  useEffect(() => {
    const directory = new Directory(source(q, sort), readOrder(sort))
    const asked: Shown = { q, sort, directory }
    const off = directory.subscribe(() => {
      const { ready, error } = directory.summary()
      if (ready && current.current !== asked) {
        current.current?.directory.close()
        current.current = asked
        setShown(asked)
        setFailed(undefined)
      } else if (!ready && error !== undefined) {
        setFailed({ q, sort, error })
      }
    })
    directory.look(0, 60)
    // A server that is silent or busy is asked again; one that has said no is not.
    const again = setInterval(() => {
      const { ready, error } = directory.summary()
      if (!ready && error !== undefined && !(error instanceof Refused && error.status < 429)) directory.look(0, 60)
    }, retry)
    return () => {
      off()
      clearInterval(again)
      if (current.current !== asked) directory.close()
    }
  }, [q, sort])

  useEffect(
    () => () => {
      current.current?.directory.close()
      current.current = undefined
    },
    [],
  )

  const error = failed && failed.q === q && failed.sort === sort ? failed.error : undefined
  return { shown, pending: shown?.q !== q || shown.sort !== sort, error }
}

const nothing: Summary = {
  ready: false,
  rows: 0,
  total: 0,
  tookUs: 0,
  asOf: '',
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
