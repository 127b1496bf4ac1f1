import type { ReactNode } from 'react'
import type { Tone } from '../words/status'
import classes from './Notice.module.css'

/** Something that must be read before what stands below it. */
export function Notice({
  tone,
  title,
  children,
  alert = false,
}: {
  tone: Tone
  title: string
  children?: ReactNode
  alert?: boolean
}) {
  return (
    <div className={classes.notice} data-tone={tone} role={alert ? 'alert' : undefined}>
      <strong>{title}</strong>
      {children ? <div>{children}</div> : null}
    </div>
  )
}
