import { Button, Checkbox, NativeSelect, Tabs, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'
import { nodeQuery, sitesQuery } from '../../api/queries'
import card from '../../parts/Card.module.css'
import { useTitle } from '../../parts/title'
import { comparisons, comparisonWords, questions, type Comparison, type QuestionSearch } from '../../words/questions'
import { Certificates, Packages } from './Answers'
import classes from './Questions.module.css'

const names: Record<(typeof questions)[number], string> = {
  packages: 'Which hosts have a package?',
  certificates: 'Which certificates end soon?',
}

/** Questions to all hosts: each site answers for its own, from what only it holds. */
export function QuestionsPage() {
  useTitle('Fleet questions')
  const search = useSearch({ from: '/questions' })
  const navigate = useNavigate()
  const controller = useQuery(nodeQuery).data?.role === 'controller'
  const ask = search.ask ?? 'packages'
  const go = (to: QuestionSearch) => void navigate({ to: '/questions', search: to })
  return (
    <div className={card.page}>
      <header className={card.head}>
        <h1>Fleet questions</h1>
        <p>
          {controller
            ? 'Asked of every site that can be reached. Those that do not answer are named.'
            : 'Asked of all hosts of this site.'}
        </p>
      </header>
      <Tabs
        value={ask}
        keepMounted={false}
        onChange={(to) =>
          go({ where: search.where, site: search.site, ask: to === 'certificates' ? 'certificates' : undefined })
        }
      >
        <Tabs.List className={classes.tabs}>
          {questions.map((q) => (
            <Tabs.Tab key={q} value={q}>
              {names[q]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="packages" className={classes.panel}>
          <PackageForm key={JSON.stringify(search)} search={search} controller={controller} onAsk={go} />
          {search.name ? <Packages search={search} controller={controller} /> : null}
        </Tabs.Panel>
        <Tabs.Panel value="certificates" className={classes.panel}>
          <CertificateForm key={JSON.stringify(search)} search={search} controller={controller} onAsk={go} />
          {search.days ? <Certificates search={search} controller={controller} /> : null}
        </Tabs.Panel>
      </Tabs>
    </div>
  )
}

interface FormProps {
  search: QuestionSearch
  controller: boolean
  onAsk: (s: QuestionSearch) => void
}

function PackageForm({ search, controller, onAsk }: FormProps) {
  const [name, setName] = useState(search.name ?? '')
  const [op, setOp] = useState<Comparison | ''>(search.op ?? '')
  const [version, setVersion] = useState(search.version ?? '')
  return (
    <Question
      search={search}
      controller={controller}
      ready={name.trim() !== '' && (op === '' || version.trim() !== '')}
      onAsk={(of) => onAsk({ ...of, name: name.trim(), ...(op ? { op, version: version.trim() } : {}) })}
    >
      <TextInput
        label="Package"
        placeholder="openssl"
        maxLength={256}
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
      />
      <NativeSelect
        label="Version"
        value={op}
        onChange={(e) => setOp(e.currentTarget.value as Comparison | '')}
        data={[{ value: '', label: 'any' }, ...comparisons.map((c) => ({ value: c, label: comparisonWords[c] }))]}
      />
      {op ? (
        <TextInput
          label="This version"
          placeholder="3.0.15"
          maxLength={256}
          autoComplete="off"
          spellCheck={false}
          value={version}
          onChange={(e) => setVersion(e.currentTarget.value)}
        />
      ) : null}
    </Question>
  )
}

function CertificateForm({ search, controller, onAsk }: FormProps) {
  const [days, setDays] = useState(search.days ?? '30')
  const [ended, setEnded] = useState(search.ahead === undefined)
  const ready = /^\d{1,5}$/.test(days.trim())
  return (
    <Question
      search={search}
      controller={controller}
      ready={ready}
      onAsk={(of) =>
        onAsk({ ...of, ask: 'certificates', days: String(Number(days)), ...(ended ? {} : { ahead: 'yes' }) })
      }
    >
      <TextInput
        label="Within days"
        inputMode="numeric"
        error={ready ? undefined : 'a number of days'}
        value={days}
        onChange={(e) => setDays(e.currentTarget.value)}
      />
      <Checkbox
        className={classes.check}
        label="Also those that have ended"
        checked={ended}
        onChange={(e) => setEnded(e.currentTarget.checked)}
      />
    </Question>
  )
}

/** A question with what every one of them may say: which hosts, and at a controller which site. */
function Question({
  search,
  controller,
  ready,
  onAsk,
  children,
}: {
  search: QuestionSearch
  controller: boolean
  ready: boolean
  onAsk: (of: Pick<QuestionSearch, 'where' | 'site'>) => void
  children: ReactNode
}) {
  const [where, setWhere] = useState(search.where ?? '')
  const [site, setSite] = useState(search.site ?? '')
  const sites = useQuery({ ...sitesQuery, enabled: controller }).data
  return (
    <form
      className={card.filters}
      aria-label="Question"
      onSubmit={(e) => {
        e.preventDefault()
        if (ready) onAsk({ where: where.trim() || undefined, site: site || undefined })
      }}
    >
      {children}
      <TextInput
        label="Of the hosts"
        placeholder="all, or a search: tag:prod"
        maxLength={4096}
        autoComplete="off"
        spellCheck={false}
        value={where}
        onChange={(e) => setWhere(e.currentTarget.value)}
      />
      {controller ? (
        <NativeSelect
          label="Site"
          value={site}
          onChange={(e) => setSite(e.currentTarget.value)}
          data={[{ value: '', label: 'All sites' }, ...(sites ?? []).map((s) => s.name)]}
        />
      ) : null}
      <Button type="submit" disabled={!ready}>
        Ask
      </Button>
    </form>
  )
}
