import { useNow } from '../clock'
import { absolute, ago, instant } from '../words/time'

/** How long ago an instant is; in full when pointed at. What is absent is said, never guessed. */
export function AsOf({
  at,
  absent = 'never',
  prefix = '',
}: {
  at: string | number | undefined | null
  absent?: string
  prefix?: string
}) {
  const now = useNow()
  const t = typeof at === 'number' ? at : instant(at)
  if (t === undefined) return <span className="muted nowrap">{absent}</span>
  return (
    <time className="nowrap" dateTime={new Date(t).toISOString()} title={absolute(t)}>
      {prefix}
      {ago(t, now)}
    </time>
  )
}
