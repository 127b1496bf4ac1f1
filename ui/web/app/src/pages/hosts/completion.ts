// What may stand where the caret is, as the server says. While its answer is on the way, the last one is
// narrowed down to what still fits.

import { useEffect, useState } from 'react'
import { complete } from '../../api/directory'
import type { Completion } from '../../api/types'
import { bytesBefore, placeOf } from '../../directory/bytes'

type Item = NonNullable<Completion['items']>[number]

interface Answer {
  text: string
  from: number
  to: number
  items: Item[]
}

/** How long typing rests before completions are asked for, in milliseconds. */
const rest = 70

const none: Item[] = []

/** What a text becomes when a completion is taken. whole: the condition is done, and can be searched for. */
export interface Taken {
  text: string
  caret: number
  whole: boolean
}

/** What of an answer to an earlier text still fits the text with its caret now. */
export function narrowed(a: Answer, text: string, caret: number): Item[] {
  if (a.text === text) return a.items
  if (caret < a.from || text.slice(0, a.from) !== a.text.slice(0, a.from)) return none
  const typed = text.slice(a.from, caret).toLowerCase()
  return a.items.filter((i) => i.text.toLowerCase().startsWith(typed))
}

/** The text with a completion in its place. */
export function taken(a: Answer, item: Item, text: string, caret: number): Taken {
  const to = a.text === text ? a.to : caret
  const whole = !/[:<>=(,\s]$/.test(item.text)
  const behind = text.slice(to)
  const gap = whole && behind === '' ? ' ' : ''
  const head = text.slice(0, a.from) + item.text + gap
  return { text: head + behind, caret: head.length, whole }
}

export function useCompletion(text: string, caret: number, asked: boolean) {
  const [answer, setAnswer] = useState<Answer>()
  const [waiting, setWaiting] = useState(false)
  useEffect(() => {
    if (!asked) {
      setAnswer(undefined)
      return
    }
    const stop = new AbortController()
    const t = window.setTimeout(() => {
      setWaiting(true)
      complete(text, bytesBefore(text, caret), stop.signal).then(
        (c) => {
          setAnswer({ text, from: placeOf(text, c.from), to: placeOf(text, c.to), items: c.items ?? [] })
          setWaiting(false)
        },
        () => {
          // Without an answer there is nothing to propose; the search itself says what is wrong.
          if (!stop.signal.aborted) setWaiting(false)
        },
      )
    }, rest)
    return () => {
      window.clearTimeout(t)
      stop.abort()
      setWaiting(false)
    }
  }, [text, caret, asked])

  const items = answer ? narrowed(answer, text, caret) : none
  const accept = (i: number): Taken | undefined => {
    const item = items[i]
    return answer && item ? taken(answer, item, text, caret) : undefined
  }
  return { items, accept, waiting }
}
