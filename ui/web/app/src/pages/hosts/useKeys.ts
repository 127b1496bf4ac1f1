import { useEffect, useRef } from 'react'
import { isTyping } from '../../parts/typing'

/** What the keys of the page of hosts do. "/" is the frame's. */
export interface Does {
  /** What a key does to the rows; false where it does nothing. */
  rows(key: string): boolean
  /** Opens the host under the cursor; false where there is none. */
  open(): boolean
  /** ranged: with all rows from the one that was selected before. */
  select(ranged: boolean): void
  refresh(): void
  help(): void
}

/** Listens to keys anywhere on the page but in fields, menus and dialogs. */
export function useKeys(does: Does) {
  const latest = useRef(does)
  latest.current = does
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || busy(e.target)) return
      const d = latest.current
      const acts: Record<string, () => boolean | void> = {
        j: () => d.rows('j'),
        k: () => d.rows('k'),
        x: () => d.select(false),
        X: () => d.select(true),
        r: () => d.refresh(),
        '?': () => d.help(),
      }
      // These have a meaning of their own on buttons and links.
      if (e.target === document.body || (e.target as Element).getAttribute?.('role') === 'grid')
        acts['Enter'] = () => d.open()
      // Where nothing has the focus, what moves through a list moves through this one.
      const act = acts[e.key] ?? (e.target === document.body ? () => d.rows(e.key) : undefined)
      if (act && act() !== false) e.preventDefault()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [])
}

/** Whether keys belong to something else: a field, or what is open above the page. */
function busy(on: EventTarget | null): boolean {
  return isTyping(on) || document.querySelector('[role="dialog"], [role="menu"]') !== null
}
