import { Skeleton } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { errorText } from '../api/fault'
import { nodeQuery, overviewQuery, sitesQuery, useFresh } from '../api/queries'
import type { Site } from '../api/types'
import { Notice } from '../parts/Notice'
import { Prose } from '../parts/Prose'
import { sentence } from '../words/status'
import { useTitle } from '../parts/title'
import { OverviewStrip } from './OverviewStrip'
import { SiteCard } from './SiteCard'
import classes from './Sites.module.css'
import { SiteHead, SitePanels } from './SiteView'
import { TrendStrip } from './TrendStrip'
import { UplinkPanel } from './UplinkPanel'

/** Every site at a glance; at a site, that site and its link to the controller. */
export function SitesPage() {
  const node = useQuery(nodeQuery)
  const overview = useQuery(overviewQuery)
  const sites = useQuery(sitesQuery)
  const nodeFresh = useFresh(node)
  const overviewFresh = useFresh(overview)
  const sitesFresh = useFresh(sites)
  const controller = node.data?.role !== 'site'
  const self = controller ? undefined : sites.data?.[0]
  const uplink = node.data?.uplink
  useTitle(controller ? 'Sites' : 'Site')
  return (
    <div className={classes.page}>
      {self ? (
        <SiteHead site={self} fresh={sitesFresh} />
      ) : (
        <h1 className="hidden">{controller ? 'Sites' : 'This site'}</h1>
      )}
      {uplink ? <UplinkPanel uplink={uplink} fresh={nodeFresh} /> : null}
      {overview.data ? <OverviewStrip overview={overview.data} controller={controller} fresh={overviewFresh} /> : null}
      {overview.data && overview.data.hosts > 0 ? <TrendStrip site="all" /> : null}
      {sites.error && !node.error ? (
        <Notice tone="bad" title="The sites cannot be read" alert>
          <Prose text={sentence(errorText(sites.error))} />
        </Notice>
      ) : null}
      {self ? <SitePanels site={self} fresh={sitesFresh} local hosts={false} /> : null}
      {controller && sites.data ? <Cards sites={sites.data} fresh={sitesFresh} /> : null}
      {!controller && sites.data && !self ? (
        <Notice tone="none" title="This site has no identity yet">
          It gets one when it first starts its work; look into the server’s log if this stays so.
        </Notice>
      ) : null}
      {!sites.data && !sites.error ? <Skeleton height={330} radius="lg" /> : null}
    </div>
  )
}

function Cards({ sites, fresh }: { sites: Site[]; fresh: boolean }) {
  if (sites.length === 0) {
    return (
      <Notice tone="none" title="No site yet">
        <code>skerry sites enroll NAME</code> adds one and prints the token with which it joins.
      </Notice>
    )
  }
  return (
    <div className={classes.grid}>
      {sites.map((site) => (
        <SiteCard key={site.id} site={site} fresh={fresh} />
      ))}
    </div>
  )
}
