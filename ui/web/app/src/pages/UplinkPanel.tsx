import type { Uplink } from '../api/types'
import { useNow } from '../clock'
import { AsOf } from '../parts/AsOf'
import { Light } from '../parts/Light'
import { Prose } from '../parts/Prose'
import { bits } from '../words/count'
import { uplinkWords, waiting } from '../words/status'
import { absolute, instant, moment } from '../words/time'
import classes from './UplinkPanel.module.css'

/** Whether anything that waits will ever go up. */
const hasController = (state: string) => state !== 'unenrolled' && state !== 'removed'

/** At a site: how it stands with its controller. */
export function UplinkPanel({ uplink, fresh }: { uplink: Uplink; fresh: boolean }) {
  const now = useNow()
  const said = uplinkWords(uplink, fresh, now)
  const since = instant(uplink.since)
  const opens = instant(uplink.window_opens)
  return (
    <section className={classes.panel} aria-label="Link to the controller">
      <Light said={said} strong />
      <p className={classes.text}>
        {since !== undefined && uplink.state !== 'unenrolled' ? (
          <>
            since <time title={absolute(since)}>{moment(since)}</time> (<AsOf at={uplink.since} />)
          </>
        ) : null}
        {uplink.controller ? (
          <>
            {' '}
            · controller <code>{uplink.controller}</code>
          </>
        ) : null}
        {hasController(uplink.state) ? ` · ${waiting(uplink)}` : null}
        {uplink.bandwidth ? ` · at most ${bits(uplink.bandwidth)}` : null}
        {opens !== undefined && opens > now ? (
          <>
            {' '}
            · what is not urgent goes up <AsOf at={uplink.window_opens} />
          </>
        ) : null}
      </p>
      {said.reason && uplink.state !== 'online' ? (
        <p className={classes.reason}>
          <Prose text={said.reason} />
        </p>
      ) : null}
    </section>
  )
}
