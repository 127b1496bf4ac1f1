import type { Uplink } from '../api/types'
import { useNow } from '../clock'
import { AsOf } from '../parts/AsOf'
import { Light } from '../parts/Light'
import { Prose } from '../parts/Prose'
import { plural } from '../words/count'
import { uplinkWords } from '../words/status'
import { absolute, instant, moment } from '../words/time'
import classes from './UplinkPanel.module.css'

/** At a site: how it stands with its controller. */
export function UplinkPanel({ uplink, fresh }: { uplink: Uplink; fresh: boolean }) {
  const said = uplinkWords(uplink, fresh, useNow())
  const since = instant(uplink.since)
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
        {uplink.state === 'offline' ? ' · agents report and commands run here as before' : null}
        {uplink.pending > 0
          ? ` · ${plural(uplink.pending, 'change')} ${uplink.pending === 1 ? 'waits' : 'wait'} to be sent up`
          : null}
      </p>
      {said.reason && uplink.state !== 'online' ? (
        <p className={classes.reason}>
          <Prose text={said.reason} />
        </p>
      ) : null}
    </section>
  )
}
