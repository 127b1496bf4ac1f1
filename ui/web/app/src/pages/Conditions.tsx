import { Button, Modal } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState, type ReactNode } from 'react'
import { acceptClock, clockQuery, readyQuery, useFresh } from '../api/queries'
import type { Node, Uplink } from '../api/types'
import { Prose } from '../parts/Prose'
import { Refusal } from '../parts/Refusal'
import { clockDoubt, sentence, waiting } from '../words/status'
import { absolute, instant, moment } from '../words/time'
import classes from './Conditions.module.css'

/**
 * What a reader of any view must know of the server itself; nothing where all is well. fresh: the answer
 * about the node is of now; where it is not, the page says that alone.
 */
export function Conditions({ node, fresh }: { node: Node; fresh: boolean }) {
  if (!fresh) return null
  return (
    <>
      <Readiness node={node} />
      {node.role === 'site' ? <ClockDoubt /> : null}
      {node.uplink ? <Independence uplink={node.uplink} /> : null}
    </>
  )
}

/** Why the server cannot do its work: a damaged store, a full disk, no leader. */
function Readiness({ node }: { node: Node }) {
  const ready = useQuery(readyQuery)
  // That a site has no controller is said where its link is shown.
  const reasons = (ready.data ?? []).filter((r) => !r.startsWith('not enrolled'))
  if (!useFresh(ready) || reasons.length === 0) return null
  return (
    <Line tone="bad" role="alert">
      <strong>{node.name} cannot do all of its work.</strong>{' '}
      {reasons.map((r, i) => (
        <span key={i}>
          <Prose text={sentence(r)} />
          {/[.!?]$/.test(r) ? ' ' : '. '}
        </span>
      ))}
    </Line>
  )
}

/** The time by which everything is judged may be wrong. */
function ClockDoubt() {
  const clock = useQuery(clockQuery)
  const [asked, setAsked] = useState(false)
  const accept = useMutation({ mutationFn: acceptClock, onSuccess: () => setAsked(false) })
  const wall = instant(clock.data?.wall)
  const said = clock.data ? clockDoubt(clock.data) : undefined
  if (!said) return null
  return (
    <>
      <Line
        tone="warn"
        act={
          clock.data?.judged === 'doubted' ? (
            <Button variant="default" size="compact-sm" loading={accept.isPending} onClick={() => setAsked(true)}>
              Accept the clock…
            </Button>
          ) : null
        }
      >
        <strong>{said.word}.</strong> {said.reason}
      </Line>
      <Modal
        opened={asked}
        onClose={() => setAsked(false)}
        title="Is this machine’s clock right?"
        centered
        transitionProps={{ duration: 0 }}
        closeButtonProps={{ 'aria-label': 'Close' }}
      >
        <p>
          It says <strong>{wall === undefined ? 'an unknown time' : moment(wall)}</strong>. Once that is accepted, this
          site goes by it and counts on from there; a clock that is set back later does not take that back.
        </p>
        <Refusal error={accept.error} title="The clock is not accepted" />
        <div className={classes.buttons}>
          <Button variant="default" onClick={() => setAsked(false)}>
            Cancel
          </Button>
          <Button loading={accept.isPending} onClick={() => accept.mutate()}>
            It is right
          </Button>
        </div>
      </Modal>
    </>
  )
}

/** The controller is out of reach, or answers late. Being on its own is a way for a site to work, not a failure. */
function Independence({ uplink }: { uplink: Uplink }) {
  const since = instant(uplink.since)
  const why = uplink.reason ? `${sentence(uplink.reason)}${/[.!?]$/.test(uplink.reason) ? '' : '.'}` : ''
  switch (uplink.state as string) {
    case 'removed':
      return (
        <Line tone="bad">
          <strong>
            The controller removed this site
            {since === undefined ? null : (
              <>
                {' '}
                (it said so <time title={absolute(since)}>{moment(since)}</time>)
              </>
            )}
            .
          </strong>{' '}
          Hosts, alerts, commands and accounts of this site go on working here. Nothing goes up any more, and nothing
          comes down: no rules, policies or advisories of the controller. To belong to a controller again it has to be
          enrolled anew.
        </Line>
      )
    case 'offline':
      return (
        <Line tone="warn">
          <strong>
            Operating independently
            {since === undefined ? null : (
              <>
                {' '}
                since <time title={absolute(since)}>{moment(since)}</time>
              </>
            )}
            :
          </strong>{' '}
          everything here works; {waiting(uplink)}.
        </Line>
      )
    case 'degraded':
      return (
        <Line tone="soft">
          <strong>The controller hears of this site late.</strong> {why} Everything here works; {waiting(uplink)}.
        </Line>
      )
    case 'unknown':
      return (
        <Line tone="soft">
          <strong>Whether the controller can be reached is not known yet.</strong> Everything here works;{' '}
          {waiting(uplink)}.
        </Line>
      )
    default:
      return null
  }
}

function Line({
  tone,
  role = 'status',
  act,
  children,
}: {
  tone: 'bad' | 'warn' | 'soft'
  role?: string
  /** What can be done about it. */
  act?: ReactNode
  children: ReactNode
}) {
  return (
    <div className={classes.line} data-tone={tone}>
      <p role={role}>{children}</p>
      {act}
    </div>
  )
}
