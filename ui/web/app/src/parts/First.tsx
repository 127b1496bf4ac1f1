import { Button } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { count } from '../words/count'

/** The first of many, and the others when they are asked for. children gets those that are shown; bare: within a list. */
export function First<T>({
  of,
  most,
  bare,
  children,
}: {
  of: T[]
  most: number
  bare?: boolean
  children: (shown: T[]) => ReactNode
}) {
  const Around = bare ? 'li' : 'div'
  const [all, setAll] = useState(false)
  // One more is not worth a button.
  const cut = !all && of.length > most + 1
  return (
    <>
      {children(cut ? of.slice(0, most) : of)}
      {cut ? (
        <Around>
          <Button size="compact-xs" variant="default" onClick={() => setAll(true)}>
            Show all {count(of.length)}
          </Button>
        </Around>
      ) : null}
    </>
  )
}
