import { count, hostSplit, hostStatuses } from '../words/count'
import classes from './HostBar.module.css'

const words = { up: 'up', late: 'late', down: 'down', unknown: 'unknown' }

/**
 * Hosts by status: a bar, and the same in words. Where the figures are not of now (the server is silent,
 * the site's link is down) they lose their colours.
 */
export function HostBar({ total, by, current }: { total: number; by: Record<string, number>; current: boolean }) {
  const split = hostSplit(total, by)
  return (
    <div data-stale={!current || undefined} className={classes.hosts}>
      <div className={classes.bar} aria-hidden="true">
        {hostStatuses.map((s) =>
          split[s] > 0 ? <span key={s} data-status={s} style={{ flexGrow: split[s] }} /> : null,
        )}
      </div>
      <ul className={classes.key}>
        {hostStatuses
          .filter((s) => s !== 'late' || split.late > 0)
          .map((s) => (
            <li key={s} data-status={s} data-zero={split[s] === 0 || undefined}>
              <b>{count(split[s])}</b> {words[s]}
            </li>
          ))}
        {current || total === 0 ? null : <li>when last heard</li>}
      </ul>
    </div>
  )
}
