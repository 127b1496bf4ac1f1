import { Skeleton, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { hostQuery, useFresh } from '../../api/queries'
import card from '../../parts/Card.module.css'
import { Light } from '../../parts/Light'
import { Refusal } from '../../parts/Refusal'
import { useTitle } from '../../parts/title'
import { hostTabs } from '../../words/detail'
import { hostStatus } from '../../words/status'
import { HostFacts } from '../HostFacts'
import { HostCertificates, HostFindings, HostPackages } from './Lists'
import { HostSystem } from './System'
import { HostHistory } from './History'
import classes from './Host.module.css'

const words: Record<(typeof hostTabs)[number], string> = {
  overview: 'Overview',
  findings: 'Findings',
  packages: 'Packages',
  certificates: 'Certificates',
  facts: 'Facts',
  history: 'History',
}

/** One host in full: its row of the directory, and behind each further tab what its site is asked for. */
export function HostPage() {
  const name = useParams({ from: '/hosts/$host' }).host
  const tab = useSearch({ from: '/hosts/$host' }).tab ?? 'overview'
  const navigate = useNavigate()
  const query = useQuery(hostQuery(name))
  const fresh = useFresh(query)
  const host = query.data
  useTitle(host?.hostname || name)
  const status = host ? hostStatus(host, fresh) : undefined
  return (
    <div className={card.page}>
      <nav aria-label="Way back" className={card.crumb}>
        <Link to="/hosts">← Hosts</Link>
      </nav>
      {host && status ? (
        <header className={card.head}>
          <div>
            <h1>{host.hostname || host.id}</h1>
            <p>
              site{' '}
              <Link to="/sites/$site" params={{ site: host.site }}>
                {host.site}
              </Link>
              {host.simulated ? ' · simulated' : ''} ·{' '}
              <Link to="/alerts" search={{ host: host.id, site: host.site }}>
                its alerts
              </Link>
            </p>
          </div>
          <Light said={status} strong />
          {status.reason ? <p>{status.reason}</p> : null}
        </header>
      ) : null}
      <Refusal error={query.error} title={host ? 'This host cannot be read now' : 'This host cannot be shown'} />
      {host ? (
        <Tabs
          value={tab}
          keepMounted={false}
          onChange={(t) =>
            void navigate({
              to: '/hosts/$host',
              params: { host: name },
              search: { tab: hostTabs.find((x) => x === t && x !== 'overview') },
              replace: true,
            })
          }
        >
          <Tabs.List className={classes.tabs}>
            {hostTabs.map((t) => (
              <Tabs.Tab key={t} value={t}>
                {words[t]}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          <Tabs.Panel value={tab} className={classes.panel}>
            {tab === 'overview' ? (
              <HostFacts host={host} />
            ) : tab === 'findings' ? (
              <HostFindings host={host} />
            ) : tab === 'packages' ? (
              <HostPackages host={host} />
            ) : tab === 'certificates' ? (
              <HostCertificates host={host} />
            ) : tab === 'facts' ? (
              <HostSystem host={host} />
            ) : (
              <HostHistory host={host} />
            )}
          </Tabs.Panel>
        </Tabs>
      ) : query.error ? null : (
        <Skeleton height={320} radius="lg" />
      )}
    </div>
  )
}
