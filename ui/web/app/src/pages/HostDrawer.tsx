import { Button, Drawer, Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { errorText, Refused } from '../api/fault'
import { findingsQuery } from '../api/host'
import { hostDetailQuery, hostQuery, useFresh } from '../api/queries'
import type { Host } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { Light } from '../parts/Light'
import { Notice } from '../parts/Notice'
import { Prose } from '../parts/Prose'
import { hostStatus, sentence } from '../words/status'
import { DetailTabs } from './DetailTabs'
import classes from './HostDrawer.module.css'
import { HostFacts } from './HostFacts'

/** One host beside the list: its directory row, and on request what only its site holds. */
export function HostDrawer({ host, onClose }: { host: string | undefined; onClose: () => void }) {
  // The drawer keeps its content while it slides away.
  const [last, setLast] = useState(host)
  if (host !== undefined && host !== last) setLast(host)
  return (
    <Drawer
      opened={host !== undefined}
      onClose={onClose}
      position="right"
      size="46rem"
      title="Host"
      classNames={{ content: classes.content, header: classes.header, body: classes.body, title: classes.title }}
      closeButtonProps={{ 'aria-label': 'Close' }}
      overlayProps={{ backgroundOpacity: 0.35 }}
    >
      {last !== undefined ? <Content key={last} id={last} /> : null}
    </Drawer>
  )
}

function Content({ id }: { id: string }) {
  const query = useQuery(hostQuery(id))
  const fresh = useFresh(query)
  const host = query.data
  if (!host) {
    return query.error ? (
      <Notice tone="bad" title="This host cannot be shown" alert>
        <Prose text={sentence(errorText(query.error))} />
        {query.error instanceof Refused && query.error.status === 404
          ? '. It may have been removed since; search for it by a part of its name or its address.'
          : null}
      </Notice>
    ) : (
      <Skeleton height={300} radius="lg" />
    )
  }
  const status = hostStatus(host, fresh)
  return (
    <>
      <header className={classes.head}>
        <div>
          <h2>{host.hostname || host.id}</h2>
          <p className="muted">
            site {host.site}
            {host.simulated ? ' · simulated' : ''} ·{' '}
            <Link to="/hosts/$host" params={{ host: host.id }}>
              facts and history
            </Link>
          </p>
        </div>
        <Light said={status} strong />
      </header>
      {status.reason ? <p className={classes.reason}>{status.reason}</p> : null}
      {query.error ? (
        <Notice tone="bad" title="This host cannot be read now" alert>
          <Prose text={sentence(errorText(query.error))} />
        </Notice>
      ) : null}
      <HostFacts host={host} />
      <SiteDetail host={host} />
    </>
  )
}

/** Packages, certificates and findings stand at the site alone; this asks for them when told to. */
function SiteDetail({ host }: { host: Host }) {
  const [asked, setAsked] = useState(false)
  const detail = useQuery({ ...hostDetailQuery(host.id), enabled: asked })
  const findings = useQuery({ ...findingsQuery(host.id), enabled: asked })
  const ask = () => {
    if (asked) void Promise.all([detail.refetch(), findings.refetch()])
    else setAsked(true)
  }
  return (
    <section className={classes.detail} aria-label="Detail from the site">
      <div className={classes.ask}>
        <div>
          <h3>Detail from the site</h3>
          <p className="muted">
            {detail.data ? (
              <>
                answered by {detail.data.answered_by} <AsOf at={detail.data.answered_at} />
              </>
            ) : (
              `Packages, certificates and findings are held by ${host.site} alone.`
            )}
          </p>
        </div>
        <Button
          onClick={ask}
          loading={detail.isFetching || findings.isFetching}
          variant={detail.data ? 'default' : 'filled'}
        >
          {detail.data ? 'Ask again' : 'Detail from the site'}
        </Button>
      </div>
      {detail.error ? (
        <Notice
          tone={detail.error instanceof Refused && detail.error.kind === 'unreachable' ? 'warn' : 'bad'}
          title={
            detail.error instanceof Refused && detail.error.kind === 'unreachable'
              ? 'The site cannot be reached'
              : 'The site’s answer cannot be shown'
          }
          alert
        >
          <Prose text={sentence(errorText(detail.error))} />.
          {detail.data ? (
            <>
              {' '}
              What stands below is its earlier answer, of <AsOf at={detail.data.answered_at} />.
            </>
          ) : null}
        </Notice>
      ) : null}
      {detail.data ? <DetailTabs host={host} detail={detail.data} findings={findings} /> : null}
    </section>
  )
}
