import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { errorText } from '../api/fault'
import { nodeQuery, siteQuery, useFresh } from '../api/queries'
import { Notice } from '../parts/Notice'
import { Prose } from '../parts/Prose'
import { sentence } from '../words/status'
import { useTitle } from '../parts/title'
import classes from './Site.module.css'
import { SiteHead, SitePanels } from './SiteView'

/** One site in full. */
export function SitePage() {
  const name = useParams({ from: '/sites/$site' }).site
  const node = useQuery(nodeQuery)
  const query = useQuery(siteQuery(name))
  const fresh = useFresh(query)
  const site = query.data
  useTitle(site?.name ?? name)
  return (
    <div className={classes.page}>
      <nav aria-label="Way back" className={classes.crumb}>
        <Link to="/sites">← {node.data?.role === 'site' ? 'This site' : 'All sites'}</Link>
      </nav>
      {site ? <SiteHead site={site} fresh={fresh} /> : null}
      {query.error && !node.error ? (
        <Notice tone="bad" title={site ? 'This site cannot be read now' : 'This site cannot be shown'} alert>
          <Prose text={sentence(errorText(query.error))} />
        </Notice>
      ) : null}
      {site ? (
        <SitePanels site={site} fresh={fresh} local={node.data?.role === 'site'} />
      ) : query.error ? null : (
        <Skeleton height={320} radius="lg" />
      )}
    </div>
  )
}
