import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useMemo } from 'react'
import { certificatesQuery, type FindingsOf, findingsQuery, packagesQuery } from '../../api/host'
import type { Host } from '../../api/types'
import card from '../../parts/Card.module.css'
import { count, plural } from '../../words/count'
import { certificateColumns, packageColumns, standingColumns } from '../detailColumns'
import { DetailTable } from '../DetailTable'
import { Asked } from './Asked'

/** What is installed, from its site. */
export function HostPackages({ host }: { host: Host }) {
  const query = useQuery(packagesQuery(host.id))
  return (
    <Asked title="Packages" query={query}>
      {(a) => (
        <DetailTable
          label="Packages"
          rows={a.rows}
          columns={packageColumns}
          first="name"
          empty={a.lacking ? '' : 'The site holds no inventory of this host.'}
        />
      )}
    </Asked>
  )
}

/** The certificates on a host, from its site, those first that expire first. */
export function HostCertificates({ host }: { host: Host }) {
  const query = useQuery(certificatesQuery(host.id))
  return (
    <Asked title="Certificates" query={query}>
      {(a) => (
        <DetailTable
          label="Certificates"
          rows={a.rows}
          columns={certificateColumns}
          first="expires"
          empty={a.lacking ? '' : 'No certificate was found where the agent looks.'}
        />
      )}
    </Asked>
  )
}

/** The vulnerabilities that concern a host, from its site: what is known to be exploited first, what is accepted or closed last. */
export function HostFindings({ host }: { host: Host }) {
  const query = useQuery(findingsQuery(host.id))
  return (
    <Asked title="Findings" query={query}>
      {(a) => (
        <>
          <p className={card.note}>
            <Link to="/advisories/changes" search={{ since: '7d', host: host.id }}>
              What opened and closed in the last 7 days
            </Link>
          </p>
          <Findings host={host} of={a} />
        </>
      )}
    </Asked>
  )
}

/** The findings that a site answered with. */
export function Findings({ host, of: a }: { host: Host; of: FindingsOf }) {
  const columns = useMemo(() => standingColumns({ id: host.id, hostname: host.hostname }), [host.id, host.hostname])
  return (
    <>
      {a.rows.length > a.open ? (
        <p className={card.note}>
          {plural(a.open, 'finding')} of {count(a.total)} {a.open === 1 ? 'counts' : 'count'}; the others are accepted,
          or a statement (VEX) closes them.
        </p>
      ) : null}
      <DetailTable
        label="Findings"
        rows={a.rows}
        columns={columns}
        first="severity"
        empty={
          a.lacking
            ? ''
            : a.as_of
              ? 'No vulnerability was found in what is installed.'
              : 'Not known: this host has not been matched with advisories yet.'
        }
      />
    </>
  )
}
