import { useQuery } from '@tanstack/react-query'
import { certificatesQuery, packagesQuery } from '../../api/host'
import { hostDetailQuery } from '../../api/queries'
import type { Host } from '../../api/types'
import { certificateColumns, findingColumns, packageColumns } from '../detailColumns'
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

/** The vulnerabilities that concern a host, from its site. */
export function HostFindings({ host }: { host: Host }) {
  const query = useQuery({ ...hostDetailQuery(host.id), refetchOnMount: true, gcTime: 60_000 })
  return (
    <Asked title="Findings" query={query}>
      {(a) => (
        <DetailTable
          label="Findings"
          rows={a.findings ?? []}
          columns={findingColumns}
          first="severity"
          empty={
            a.host.as_of.exposure
              ? 'No vulnerability was found in what is installed.'
              : 'Not known: this host has not been matched with advisories yet.'
          }
        />
      )}
    </Asked>
  )
}
