import { Button, NativeSelect, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { accept } from '../../api/exposure'
import { nodeQuery, sitesQuery } from '../../api/queries'
import type { Acceptance } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Refusal } from '../../parts/Refusal'
import { acceptance, type AcceptSearch, endOfDay, type Scope, scopeQuery, type Term } from '../../words/exposure'
import classes from './Exposure.module.css'

const scopeWords: Record<Scope, string> = {
  all: 'Every host',
  host: 'One host',
  tag: 'Hosts with a tag',
  site: 'One site',
  search: 'What a search finds',
}

const termWords: Record<Term, string> = {
  '30d': '30 days',
  '90d': '90 days',
  '180d': '180 days',
  '365d': 'A year',
  day: 'Until a day…',
}

/** Accepts a risk. begin: what is filled in at first; onDone: with what was made, or with nothing where it was left. */
export function AcceptForm({ begin, onDone }: { begin: AcceptSearch; onDone: (made?: Acceptance) => void }) {
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const sites = useQuery({ ...sitesQuery, enabled: controller }).data
  const [vulnerability, setVulnerability] = useState(begin.accept ?? '')
  const [pkg, setPkg] = useState(begin.package ?? '')
  const [scope, setScope] = useState<Scope>(begin.host ? 'host' : 'all')
  const [value, setValue] = useState(begin.host ? (begin.name ?? begin.host) : '')
  const [term, setTerm] = useState<Term>('90d')
  const [day, setDay] = useState('')
  const [reason, setReason] = useState('')
  const until = term === 'day' ? endOfDay(day) : term
  // The host that it began with is meant by its id, whoever else has its name.
  const hosts =
    scope === 'host' && begin.host && value === (begin.name ?? begin.host)
      ? `id:${begin.host}`
      : scopeQuery(scope, value)
  const ready = vulnerability.trim() && reason.trim() && until && (scope === 'all' || value.trim())
  const save = useMutation({
    mutationFn: () => accept(acceptance(vulnerability, pkg, hosts, reason, until ?? '')),
    onSuccess: (made) => onDone(made),
  })
  const to = (s: Scope) => {
    setScope(s)
    setValue(s === 'site' ? (sites?.[0]?.name ?? '') : '')
  }
  return (
    <form
      className={card.card}
      aria-label="Accept a risk"
      onSubmit={(e) => {
        e.preventDefault()
        if (ready) save.mutate()
      }}
    >
      <h2>Accept a risk</h2>
      <div className={classes.form}>
        <TextInput
          label="Vulnerability"
          placeholder="CVE-2024-1234"
          required
          maxLength={128}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={vulnerability}
          onChange={(e) => setVulnerability(e.currentTarget.value)}
        />
        <TextInput
          label="Package"
          placeholder="every package"
          maxLength={256}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          value={pkg}
          onChange={(e) => setPkg(e.currentTarget.value)}
        />
        <NativeSelect
          label="On which hosts"
          value={scope}
          onChange={(e) => to(e.currentTarget.value as Scope)}
          data={(Object.keys(scopeWords) as Scope[])
            .filter((s) => controller || s !== 'site')
            .map((s) => ({ value: s, label: scopeWords[s] }))}
        />
        {scope === 'site' ? (
          <NativeSelect
            label="Site"
            value={value}
            onChange={(e) => setValue(e.currentTarget.value)}
            data={(sites ?? []).map((s) => s.name)}
          />
        ) : scope === 'all' ? null : (
          <TextInput
            label={scope === 'host' ? 'Host name' : scope === 'tag' ? 'Tag' : 'Search'}
            placeholder={scope === 'host' ? 'web-1' : scope === 'tag' ? 'lab' : 'os:debian<12 -tag:prod'}
            required
            maxLength={1000}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            value={value}
            onChange={(e) => setValue(e.currentTarget.value)}
          />
        )}
        <NativeSelect
          label="For how long"
          value={term}
          onChange={(e) => setTerm(e.currentTarget.value as Term)}
          data={(Object.keys(termWords) as Term[]).map((t) => ({ value: t, label: termWords[t] }))}
        />
        {term === 'day' ? (
          <TextInput
            label="Until the end of"
            type="date"
            required
            value={day}
            onChange={(e) => setDay(e.currentTarget.value)}
          />
        ) : null}
        <TextInput
          className={classes.wide}
          label="Reason"
          placeholder="why it is no harm there, or who mends it by when"
          required
          maxLength={1024}
          autoComplete="off"
          value={reason}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
      </div>
      <p className={card.note}>
        This server signs it. Whoever looks at the finding sees who accepted it, why and until when; afterwards it
        counts again by itself. Two years is the longest.
      </p>
      <div className={classes.buttons}>
        <Button type="submit" loading={save.isPending} disabled={!ready}>
          Accept the risk
        </Button>
        <Button variant="default" onClick={() => onDone()}>
          Leave it
        </Button>
      </div>
      <Refusal error={save.error} title="The risk was not accepted" />
    </form>
  )
}
