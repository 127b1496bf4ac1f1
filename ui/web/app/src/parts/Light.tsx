import type { Said, Tone } from '../words/status'
import classes from './Light.module.css'

// Each tone has its own shape, so that nothing is told by colour alone.
const marks: Record<Tone, React.ReactNode> = {
  ok: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path d="m4.8 8.3 2.2 2.2 4.2-4.7" className={classes.cut} />
    </>
  ),
  warn: (
    <>
      <path d="M8 1.2 15.2 14.4H.8z" fill="currentColor" stroke="currentColor" strokeLinejoin="round" />
      <path d="M8 6v4.2M8 12.3v.2" className={classes.cut} />
    </>
  ),
  bad: (
    <>
      <rect x="1" y="1" width="14" height="14" rx="3" fill="currentColor" />
      <path d="m5 5 6 6m0-6-6 6" className={classes.cut} />
    </>
  ),
  none: <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" strokeWidth="2" strokeDasharray="3.14 3.14" />,
}

/** A state: its mark and its word. */
export function Light({ said, strong = false }: { said: Said; strong?: boolean }) {
  return (
    <span className={classes.light} data-tone={said.tone} data-strong={strong || undefined} title={said.reason}>
      <svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        {marks[said.tone]}
      </svg>
      <span>{said.word}</span>
    </span>
  )
}
