import type { ReactNode } from 'react'
import classes from './Facts.module.css'

/** A list of names and values, in two columns where there is room and it is asked for. */
export function Facts({ rows, wide = false }: { rows: [name: string, value: ReactNode][]; wide?: boolean }) {
  return (
    <dl className={classes.facts} data-wide={wide || undefined}>
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
