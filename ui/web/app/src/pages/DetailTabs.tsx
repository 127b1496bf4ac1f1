import { Tabs } from '@mantine/core'
import type { Certificate, Finding, HostDetail, Package } from '../api/types'
import { useNow } from '../clock'
import { AsOf } from '../parts/AsOf'
import { SeverityTag } from '../parts/Severity'
import { count } from '../words/count'
import { severityRank } from '../words/status'
import { absolute, dayOf, instant } from '../words/time'
import { type Column, DetailTable } from './DetailTable'
import classes from './DetailTabs.module.css'

/** What the site answered, in three lists. */
export function DetailTabs({ detail }: { detail: HostDetail }) {
  const findings = detail.findings ?? []
  const packages = detail.packages ?? []
  const certificates = detail.certificates ?? []
  return (
    <Tabs defaultValue="findings" keepMounted={false}>
      <Tabs.List className={classes.list}>
        <Tabs.Tab value="findings">Findings {count(findings.length)}</Tabs.Tab>
        <Tabs.Tab value="packages">Packages {count(packages.length)}</Tabs.Tab>
        <Tabs.Tab value="certificates">Certificates {count(certificates.length)}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="findings">
        <p className={classes.asof}>
          <AsOf at={detail.host.as_of.exposure} absent="not matched with advisories yet" prefix="matched " />
        </p>
        <DetailTable
          label="Findings"
          rows={findings}
          columns={findingColumns}
          first="severity"
          empty="No vulnerability was found in what is installed."
        />
      </Tabs.Panel>
      <Tabs.Panel value="packages">
        <p className={classes.asof}>
          <AsOf at={detail.host.as_of.packages} absent="no inventory yet" prefix="as of " />
        </p>
        <DetailTable
          label="Packages"
          rows={packages}
          columns={packageColumns}
          first="name"
          empty="The site holds no inventory of this host."
        />
      </Tabs.Panel>
      <Tabs.Panel value="certificates">
        <p className={classes.asof}>
          <AsOf at={detail.host.as_of.certificates} absent="not looked for yet" prefix="as of " />
        </p>
        <DetailTable
          label="Certificates"
          rows={certificates}
          columns={certificateColumns}
          first="expires"
          empty={
            detail.host.as_of.certificates
              ? 'No certificate was found where the agent looks.'
              : 'The agent has not looked for certificates.'
          }
        />
      </Tabs.Panel>
    </Tabs>
  )
}

const findingColumns: Column<Finding>[] = [
  {
    id: 'severity',
    title: 'Severity',
    value: (f) => severityRank(f.severity),
    show: (f) => <SeverityTag severity={f.severity} />,
    fallsFirst: true,
  },
  {
    id: 'vulnerability',
    title: 'Vulnerability',
    value: (f) => f.vulnerability,
    show: (f) => (
      <>
        <code>{f.vulnerability}</code>
        {f.advisory !== f.vulnerability ? <small className={classes.under}>{f.advisory}</small> : null}
      </>
    ),
  },
  {
    id: 'package',
    title: 'Package',
    value: (f) => f.package,
    show: (f) => (
      <>
        {f.package}
        <small className={classes.under}>{f.version}</small>
      </>
    ),
  },
  {
    id: 'fixed',
    title: 'Fixed in',
    value: (f) => f.fixed ?? '',
    show: (f) =>
      f.verdict === 'unknown' ? (
        <span title="The version could not be compared with the advisory’s ranges">cannot be compared</span>
      ) : (
        (f.fixed ?? <span className="muted">no fix named</span>)
      ),
  },
]

const packageColumns: Column<Package>[] = [
  { id: 'name', title: 'Package', value: (p) => p.name },
  { id: 'version', title: 'Version', value: (p) => p.version },
  { id: 'arch', title: 'Arch', value: (p) => p.arch ?? '' },
  { id: 'source', title: 'Source', value: (p) => p.source ?? '' },
]

const certificateColumns: Column<Certificate>[] = [
  {
    id: 'subject',
    title: 'Subject',
    value: (c) => c.subject,
    show: (c) => (
      <>
        {c.subject || c.names?.[0] || '(no subject)'}
        <small className={classes.under}>{c.path}</small>
      </>
    ),
  },
  {
    id: 'issuer',
    title: 'Issuer',
    value: (c) => c.issuer,
    show: (c) => (c.self_signed ? <span className="muted">itself</span> : c.issuer),
  },
  {
    id: 'expires',
    title: 'Expires',
    value: (c) => instant(c.not_after) ?? 0,
    show: (c) => <Expiry at={c.not_after} />,
  },
]

function Expiry({ at }: { at: string }) {
  const now = useNow()
  const t = instant(at)
  if (t === undefined) return <span className="muted">unknown</span>
  return (
    <span title={absolute(t)} className={t <= now ? classes.expired : undefined}>
      <span className="nowrap">{dayOf(t)}</span>
      <small className={classes.under}>
        {t <= now ? 'expired' : ''} <AsOf at={t} />
      </small>
    </span>
  )
}
