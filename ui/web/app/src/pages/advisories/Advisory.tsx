import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { advisoryQuery, explainedQuery } from '../../api/advisories'
import type { Canonical } from '../../api/types'
import card from '../../parts/Card.module.css'
import { Exploited } from '../../parts/Exploited'
import { Notice } from '../../parts/Notice'
import { Refusal } from '../../parts/Refusal'
import { SeverityTag } from '../../parts/Severity'
import { useTitle } from '../../parts/title'
import { day, likelihood } from '../../words/advisories'
import { plural } from '../../words/count'
import { instant } from '../../words/time'
import { severityNote, takenBack } from '../../words/withdrawn'
import classes from './Advisory.module.css'
import { InBrief } from './InBrief'
import { Packages } from './Packages'
import { Related } from './Related'
import { SourcesSay } from './SourcesSay'
import { Statements } from './Statements'
import { WhichHosts } from './WhichHosts'
import { Why } from './Why'

/** One vulnerability: which hosts have it, what every source says of it, and why those speak of the same one. */
export function AdvisoryPage() {
  const id = useParams({ from: '/advisories/$id' }).id
  const query = useQuery(advisoryQuery(id))
  const c = query.data
  useTitle(c?.id ?? id)
  return (
    <div className={card.page}>
      <nav aria-label="Way back" className={card.crumb}>
        <Link to="/advisories">← Advisories</Link>
      </nav>
      {c ? <Head of={c} /> : null}
      <Refusal error={query.error} title={c ? 'This advisory cannot be read now' : 'This advisory cannot be shown'} />
      {c ? <Body key={c.id} of={c} /> : query.error ? null : <Skeleton height={320} radius="lg" />}
    </div>
  )
}

function Head({ of: c }: { of: Canonical }) {
  const about = (c.members ?? []).length > 0
  const back = takenBack(c)
  const sources = new Set((c.members ?? []).map((m) => m.source)).size
  return (
    <>
      <header className={card.head}>
        <h1>{c.id}</h1>
        {about ? <SeverityTag severity={c.severity} /> : null}
        {c.known_exploited ? <Exploited since={instant(c.known_exploited)} /> : null}
        <p>
          {[
            ...(about && severityNote(c.severity) ? [severityNote(c.severity)!] : []),
            ...(c.epss ? [likelihood(c.epss)] : []),
            ...(c.published ? [`published ${day(c.published)}`] : []),
            ...(about ? [`${plural(sources, 'source')} ${sources === 1 ? 'speaks' : 'speak'} of it`] : []),
          ].join(' · ')}
        </p>
      </header>
      {c.summary ? (
        <p className={classes.summary}>{c.summary}</p>
      ) : about ? (
        <p className={`${classes.summary} muted`}>No source gives a summary.</p>
      ) : null}
      {back ? (
        <Notice tone={back.all ? 'none' : 'warn'} title={back.title}>
          {back.text}
        </Notice>
      ) : null}
      {about ? null : (
        <Notice tone="none" title={`No record here is about ${c.id} itself`}>
          Others name it. They are listed here under what it has to do with, and hosts are matched with what those say.
        </Notice>
      )}
    </>
  )
}

function Body({ of: c }: { of: Canonical }) {
  const about = (c.members ?? []).length > 0
  const query = useQuery({ ...explainedQuery(c.id), enabled: about })
  const explained = query.data
  return (
    <div className={classes.columns}>
      <div className={classes.column}>
        <WhichHosts id={c.id} />
        <Refusal error={query.error} title="What the sources say cannot be compared now" />
        {explained ? (
          <SourcesSay of={explained} />
        ) : about && !query.error ? (
          <Skeleton height={220} radius="lg" />
        ) : null}
        {about ? <Packages records={c.records} speaking={explained?.ecosystems} /> : null}
      </div>
      <div className={classes.column}>
        <InBrief of={c} />
        {explained ? <Why of={explained} /> : null}
        <Statements of={c} />
        <Related of={c} />
      </div>
    </div>
  )
}
