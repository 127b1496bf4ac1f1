import { Button } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { dropRule, rulesQuery } from '../../api/alerts'
import { nodeQuery } from '../../api/queries'
import type { AlertRule } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import { AlertTag } from '../../parts/Severity'
import { useTitle } from '../../parts/title'
import { alertSeverities } from '../../words/alerts'
import { held } from '../../words/rule'
import { type Column, DetailTable } from '../DetailTable'
import { RuleForm } from './RuleForm'

/** By what rules alerts open. */
export function RulesPage() {
  useTitle('Alert rules')
  const node = useQuery(nodeQuery).data
  const rules = useQuery(rulesQuery)
  const [edited, setEdited] = useState<AlertRule | 'new'>()
  const [doomed, setDoomed] = useState<string>()
  const drop = useMutation({ mutationFn: dropRule, onSuccess: () => setDoomed(undefined) })
  const controller = node?.role === 'controller'
  const columns: Column<AlertRule>[] = [
    ...shared,
    {
      id: 'act',
      title: 'Change',
      value: (r) => r.origin,
      show: (r) =>
        r.origin === 'controller' && !controller ? (
          <span className="muted">made at the controller</span>
        ) : doomed === r.name ? (
          <span className="nowrap">
            <Button size="compact-xs" color="red" loading={drop.isPending} onClick={() => drop.mutate(r.name)}>
              Delete {r.name}
            </Button>{' '}
            <Button size="compact-xs" variant="default" onClick={() => setDoomed(undefined)}>
              Keep
            </Button>
          </span>
        ) : (
          <span className="nowrap">
            <Button size="compact-xs" variant="default" aria-label={`Edit ${r.name}`} onClick={() => setEdited(r)}>
              Edit
            </Button>{' '}
            <Button
              size="compact-xs"
              variant="default"
              aria-label={`Delete ${r.name}`}
              onClick={() => {
                drop.reset()
                setDoomed(r.name)
              }}
            >
              Delete
            </Button>
          </span>
        ),
    },
  ]
  return (
    <div className={card.page}>
      <nav aria-label="Way back" className={card.crumb}>
        <Link to="/alerts">← Alerts</Link>
      </nav>
      <header className={card.head}>
        <div>
          <h1>Alert rules</h1>
          {controller ? <p>What is made here goes to every site, beside the rules of its own.</p> : null}
        </div>
        {edited === undefined ? (
          <Button className={card.end} onClick={() => setEdited('new')}>
            New rule
          </Button>
        ) : null}
      </header>
      {edited !== undefined ? (
        <RuleForm
          key={edited === 'new' ? '' : edited.name}
          rule={edited === 'new' ? undefined : edited}
          onDone={() => setEdited(undefined)}
        />
      ) : null}
      <Refusal error={rules.error} title="The rules cannot be read" />
      <Refusal error={drop.error} title="The rule was not deleted" />
      {rules.data ? (
        <section className={card.card}>
          <DetailTable
            label="Rules"
            rows={rules.data}
            columns={columns}
            first="name"
            empty={
              controller
                ? 'No rule was made here. Each site also has rules of its own, by which its alerts open; they are shown at the site.'
                : 'There is no rule, so no alert opens.'
            }
          />
        </section>
      ) : null}
    </div>
  )
}

const shared: Column<AlertRule>[] = [
  {
    id: 'name',
    title: 'Rule',
    value: (r) => r.name,
    show: (r) => (
      <>
        <Link to="/alerts" search={{ rule: r.name, state: 'all' }}>
          {r.name}
        </Link>
        {r.title ? <small className={card.under}>{r.title}</small> : null}
      </>
    ),
  },
  {
    id: 'severity',
    title: 'Severity',
    value: (r) => -alertSeverities.indexOf(r.severity),
    show: (r) => <AlertTag severity={r.severity} />,
    fallsFirst: true,
  },
  {
    id: 'when',
    title: 'When',
    value: (r) => r.when,
    show: (r) => (
      <>
        <code>{r.when}</code>
        <small className={card.under}>{r.scope === 'host' ? 'each host that is found' : 'the site itself'}</small>
      </>
    ),
  },
  { id: 'held', title: 'Opens and resolves', value: held },
  {
    id: 'state',
    title: 'State',
    value: (r) => (r.problem ? `not read ${r.problem}` : r.disabled ? 'off' : 'on'),
    show: (r) =>
      r.problem ? (
        <span title={r.problem}>
          not read<small className={card.under}>{r.problem}</small>
        </span>
      ) : r.disabled ? (
        <span className="muted">off</span>
      ) : (
        'on'
      ),
  },
]
