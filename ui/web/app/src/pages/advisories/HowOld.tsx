import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { sourcesQuery } from '../../api/advisories'
import type { AdvisorySource, Overview } from '../../api/types'
import { AsOf } from '../../parts/AsOf'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Prose } from '../../parts/Prose'
import { cursorTime, sourceState } from '../../words/advisories'
import { plural } from '../../words/count'
import classes from './Advisories.module.css'

/** How old what is held is, how far it reaches, and where it comes from: at a site, from its controller. overview is absent where nothing is held. */
export function HowOld({ overview }: { overview?: Overview }) {
  const sources = useQuery(sourcesQuery).data ?? []
  const upper = sources.find((s) => s.kind === 'controller')
  return (
    <>
      {overview ? (
        <p>
          {plural(overview.advisory_n, 'record')} ·{' '}
          <AsOf at={cursorTime(overview.cursor)} absent="when they last changed is not known" prefix="last changed " />
          {overview.cursor ? (
            <>
              {' '}
              · cursor <code>{overview.cursor}</code>
            </>
          ) : null}
        </p>
      ) : null}
      {overview && upper ? <State source={upper} /> : null}
      {sources.length > 0 ? <Sources sources={sources} /> : null}
    </>
  )
}

/** How level this site is with its controller. */
function State({ source }: { source: AdvisorySource }) {
  const said = sourceState(source)
  return (
    <p className={classes.level}>
      <Light said={said} strong />
      {source.state === 'current' ? null : (
        <>
          {' '}
          last level <AsOf at={source.checked_at} />
        </>
      )}
    </p>
  )
}

function Sources({ sources }: { sources: AdvisorySource[] }) {
  return (
    <details className={classes.from}>
      <summary>Where they come from</summary>
      <ul>
        {sources.map((s) => {
          const said = sourceState(s)
          return (
            <li key={s.name}>
              <b>{s.name}</b> <Light said={said} />
              <span className="muted">
                {' '}
                {s.kind === 'controller' ? 'controller' : s.kind.toUpperCase()} ·{' '}
                <AsOf at={s.checked_at} prefix="reached " absent="never reached" /> ·{' '}
                <AsOf at={s.changed_at} prefix="something new " absent="nothing taken in yet" />
              </span>
              {said.reason ? (
                <small className={card.under}>
                  <Prose text={said.reason} />
                </small>
              ) : null}
            </li>
          )
        })}
      </ul>
      <p>
        <Link to="/advisories/sources">More of the sources, and to fetch one now</Link>
      </p>
    </details>
  )
}
