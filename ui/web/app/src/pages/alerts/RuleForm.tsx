import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { metricsQuery, putRule } from '../../api/alerts'
import type { AlertRule, AlertRulePut } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import { alertSeverities } from '../../words/alerts'
import { shortSpan } from '../../words/rule'
import classes from './Alerts.module.css'

/** Makes a rule, or changes the one that is given. */
export function RuleForm({ rule, onDone }: { rule: AlertRule | undefined; onDone: () => void }) {
  const [name, setName] = useState(rule?.name ?? '')
  const [put, setPut] = useState<AlertRulePut>({
    scope: rule?.scope ?? 'host',
    severity: rule?.severity ?? 'warning',
    when: rule?.when ?? '',
    title: rule?.title ?? '',
    for: shortSpan(rule?.for),
    clear: shortSpan(rule?.clear),
    disabled: rule?.disabled ?? false,
  })
  const set = (more: Partial<AlertRulePut>) => setPut((p) => ({ ...p, ...more }))
  const save = useMutation({
    mutationFn: () =>
      putRule(
        name.trim(),
        // What is empty is not said: the server knows what stands for it.
        { ...put, title: put.title || undefined, for: put.for || undefined, clear: put.clear || undefined },
        rule === undefined,
      ),
    onSuccess: onDone,
  })
  const text = { autoComplete: 'off', spellCheck: false } as const
  return (
    <form
      className={card.card}
      aria-label={rule ? `Rule ${rule.name}` : 'New rule'}
      onSubmit={(e) => {
        e.preventDefault()
        save.mutate()
      }}
    >
      <h2>{rule ? `Rule ${rule.name}` : 'New rule'}</h2>
      <Refusal error={save.error} title="The rule was not kept" />
      <div className={classes.form}>
        {rule ? null : (
          <TextInput
            {...text}
            label="Name"
            required
            withAsterisk={false}
            maxLength={64}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
          />
        )}
        <TextInput
          {...text}
          label="Title"
          placeholder="one line for people"
          maxLength={200}
          value={put.title}
          onChange={(e) => set({ title: e.currentTarget.value })}
        />
        <NativeSelect
          label="About"
          value={put.scope}
          onChange={(e) => set({ scope: e.currentTarget.value as AlertRulePut['scope'] })}
          data={[
            { value: 'host', label: 'Each host that a search finds' },
            { value: 'site', label: 'The site itself' },
          ]}
        />
        <NativeSelect
          label="Severity"
          value={put.severity}
          onChange={(e) => set({ severity: e.currentTarget.value as AlertRulePut['severity'] })}
          data={alertSeverities.map((s) => ({ value: s, label: s.charAt(0).toUpperCase() + s.slice(1) }))}
        />
        <div data-wide>
          <TextInput
            {...text}
            classNames={{ input: 'mono' }}
            label={put.scope === 'host' ? 'When a search finds a host' : 'When a metric compares'}
            placeholder={put.scope === 'host' ? 'status:down tag:prod' : 'disk.free_percent < 10'}
            required
            withAsterisk={false}
            maxLength={4096}
            value={put.when}
            onChange={(e) => set({ when: e.currentTarget.value })}
          />
          {put.scope === 'site' ? <Metrics /> : null}
        </div>
        <TextInput
          {...text}
          label="Opens when it has held for"
          placeholder="at once, or as 15m"
          maxLength={20}
          value={put.for}
          onChange={(e) => set({ for: e.currentTarget.value.trim() })}
        />
        <TextInput
          {...text}
          label="Resolves when it has not for"
          placeholder="at once, or as 1m"
          maxLength={20}
          value={put.clear}
          onChange={(e) => set({ clear: e.currentTarget.value.trim() })}
        />
      </div>
      <Checkbox
        label="Off: it is kept and not judged"
        checked={put.disabled ?? false}
        onChange={(e) => set({ disabled: e.currentTarget.checked })}
      />
      <div className={classes.buttons}>
        <Button type="submit" loading={save.isPending}>
          {rule ? 'Keep the changes' : 'Make the rule'}
        </Button>
        <Button variant="default" onClick={onDone}>
          Cancel
        </Button>
      </div>
    </form>
  )
}

/** What a rule about a site can compare. */
function Metrics() {
  const metrics = useQuery(metricsQuery).data
  if (!metrics) return null
  return (
    <dl className={classes.metrics}>
      {metrics.map((m) => (
        <div key={m.name}>
          <dt>
            <code>{m.example}</code>
          </dt>
          <dd>{m.doc}</dd>
        </div>
      ))}
    </dl>
  )
}
