import { Button, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { acknowledge, resolve } from '../../api/alerts'
import type { Alert } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import { Light } from '../../parts/Light'
import { Refusal } from '../../parts/Refusal'
import { AlertTag } from '../../parts/Severity'
import { alertState, person, resolution } from '../../words/alerts'
import { sentence } from '../../words/status'
import { absolute, instant, moment } from '../../words/time'
import classes from './Alerts.module.css'

/**
 * One alert: what it is about at a glance, and when it is opened its history and what can be done. site: at a controller,
 * whose it is.
 */
export function AlertItem({ alert, site }: { alert: Alert; site?: string }) {
  const [opened, setOpened] = useState(false)
  const name = alert.title || alert.rule
  return (
    <article className={classes.item} data-done={alert.state === 'resolved' || undefined} aria-label={name}>
      <div className={classes.row}>
        <AlertTag severity={alert.severity} />
        <button
          type="button"
          className={classes.name}
          aria-expanded={opened}
          aria-controls={`alert-${alert.id}`}
          onClick={() => setOpened(!opened)}
        >
          {name}
          <span aria-hidden="true" className={classes.arrow} />
        </button>
        <span className={classes.about}>
          {alert.host_id ? (
            <Link to="/hosts/$host" params={{ host: alert.host_id }}>
              {alert.label}
            </Link>
          ) : (
            `site ${alert.label}`
          )}
        </span>
        <span className={classes.value}>{alert.value}</span>
        <Light said={alertState(alert.state)} />
        <span className={classes.when}>
          <AsOf at={alert.opened_at} />
        </span>
      </div>
      {opened ? (
        <div className={classes.open} id={`alert-${alert.id}`}>
          <History alert={alert} />
          {alert.state === 'resolved' ? null : <Act id={alert.id} open={alert.state === 'open'} site={site} />}
        </div>
      ) : null}
    </article>
  )
}

/** What became of it, the first first. */
function History({ alert: a }: { alert: Alert }) {
  const steps: [at: string | undefined, what: string, by?: string, note?: string][] = [
    [a.since, a.scope === 'host' ? 'What it is about began, as far as the site saw' : 'What it is about began'],
    [a.opened_at, `Opened by rule ${a.rule}${a.value ? `: ${a.value}` : ''}`],
  ]
  if (a.acknowledged_at) steps.push([a.acknowledged_at, 'Acknowledged', a.acknowledged_by, a.acknowledged_note])
  steps.push([a.last_true_at, 'Last seen to hold'])
  if (a.resolved_at) steps.push([a.resolved_at, resolution(a), a.resolved_by, a.resolved_note])
  const at = (s: (typeof steps)[number]) => instant(s[0]) ?? 0
  return (
    <ol className={classes.steps} aria-label="History">
      {steps
        .filter((s) => at(s) > 0)
        .sort((x, y) => at(x) - at(y))
        .map(([when, what, by, note]) => (
          <li key={what}>
            <time dateTime={when} title={absolute(instant(when)!)}>
              {moment(instant(when)!)}
            </time>
            <span>
              {what}
              {by ? ` by ${person(by)}` : ''}
              {note ? <q>{note}</q> : null}
            </span>
          </li>
        ))}
    </ol>
  )
}

/** What can be done about an alert. site: at a controller, whose it is; what is done there is said, since it may be done later. */
export function Act({ id, open, site }: { id: string; open: boolean; site?: string }) {
  const [note, setNote] = useState('')
  const act = useMutation({
    mutationFn: (how: typeof acknowledge) => how(id, note.trim(), site),
    onSuccess: () => setNote(''),
  })
  const later = act.data && act.data.state !== 'done' ? act.data : undefined
  return (
    <form
      className={classes.act}
      onSubmit={(e) => {
        e.preventDefault()
        act.mutate(open ? acknowledge : resolve)
      }}
    >
      <TextInput
        className={classes.note}
        label="Note"
        placeholder="for those who look at it next"
        maxLength={500}
        value={note}
        onChange={(e) => setNote(e.currentTarget.value)}
      />
      {open ? (
        <Button type="submit" disabled={act.isPending}>
          Acknowledge
        </Button>
      ) : null}
      <Button
        variant="default"
        type={open ? 'button' : 'submit'}
        disabled={act.isPending}
        onClick={open ? () => act.mutate(resolve) : undefined}
      >
        Resolve
      </Button>
      {later ? (
        <p className={classes.later} role="status">
          {sentence(later.message)}.
        </p>
      ) : null}
      <Refusal error={act.error} title="That could not be done" />
    </form>
  )
}
