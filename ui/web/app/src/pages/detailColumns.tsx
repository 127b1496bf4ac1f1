// The columns of what a host has, in the drawer and on its page.

import { Link } from '@tanstack/react-router'
import type { Certificate, Host, Package, Standing } from '../api/types'
import { useNow } from '../clock'
import { AsOf } from '../parts/AsOf'
import { Light } from '../parts/Light'
import { None } from '../parts/None'
import { Exploited } from '../parts/Exploited'
import { SeverityTag } from '../parts/Severity'
import { Vulnerability } from '../parts/Vulnerability'
import { likelihood, percent } from '../words/advisories'
import { expiry } from '../words/detail'
import { priority, standing } from '../words/standing'
import { absolute, dayOf, instant } from '../words/time'
import type { Column } from './DetailTable'
import classes from './DetailTabs.module.css'

/** The findings of a host with what is known beside them. They are sorted by what to look at first. */
export const standingColumns = (host: Pick<Host, 'id' | 'hostname'>): Column<Standing>[] => [
  {
    id: 'severity',
    title: 'Severity',
    value: priority,
    show: (f) => <SeverityTag severity={f.severity} />,
    fallsFirst: true,
  },
  {
    id: 'vulnerability',
    title: 'Vulnerability',
    value: (f) => `${f.vulnerability} ${f.advisory}`,
    show: (f) => (
      <>
        <span className={classes.named}>
          <Vulnerability id={f.vulnerability} />
          {f.known_exploited ? <Exploited since={instant(f.known_since)} /> : null}
        </span>
        {f.advisory !== f.vulnerability ? <small className={classes.under}>{f.advisory}</small> : null}
        {f.accepted || f.verdict === 'suppressed' ? <Closed finding={f} /> : null}
      </>
    ),
  },
  {
    id: 'epss',
    title: 'EPSS',
    value: (f) => f.epss ?? 0,
    show: (f) =>
      f.epss === undefined ? (
        <None />
      ) : (
        <span className="nowrap" title={likelihood(f.epss)}>
          {percent(f.epss)}
        </span>
      ),
    fallsFirst: true,
  },
  {
    id: 'package',
    title: 'Package',
    value: (f) => `${f.package} ${f.source_package ?? ''}`,
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
    show: (f) => (
      <>
        {f.fixed ?? <span className="muted">no fix named</span>}
        {f.verdict === 'unknown' ? <Uncertain finding={f} /> : null}
      </>
    ),
  },
  {
    id: 'risk',
    title: 'Risk',
    value: (f) => (f.accepted ? 1 : 0),
    show: (f) => (f.accepted || f.verdict === 'suppressed' ? <None /> : <AcceptRisk of={f} host={host} />),
  },
]

/** That nobody can tell whether a finding is one, and why. */
function Uncertain({ finding }: { finding: Standing }) {
  const said = standing(finding)
  return (
    <small className={classes.under}>
      <Light said={said} /> {said.reason}
    </small>
  )
}

/** The way to accept the risk of a vulnerability in a package of a host. */
export function AcceptRisk({
  of,
  host,
}: {
  of: Pick<Standing, 'vulnerability' | 'package'>
  host: Pick<Host, 'id' | 'hostname'>
}) {
  return (
    <Link
      to="/advisories/accepted"
      search={{ accept: of.vulnerability, package: of.package, host: host.id, name: host.hostname || undefined }}
      aria-label={`Accept the risk of ${of.vulnerability} in ${of.package} on ${host.hostname || host.id}`}
    >
      Accept
    </Link>
  )
}

/** Why a finding does not count. */
function Closed({ finding }: { finding: Standing }) {
  const said = standing(finding)
  return (
    <small className={classes.under}>
      <Light said={said} /> {said.reason}
    </small>
  )
}

export const packageColumns: Column<Package>[] = [
  { id: 'name', title: 'Package', value: (p) => p.name },
  { id: 'version', title: 'Version', value: (p) => p.version },
  { id: 'arch', title: 'Arch', value: (p) => p.arch ?? '' },
  { id: 'source', title: 'Source', value: (p) => p.source ?? '' },
]

export const certificateColumns: Column<Certificate>[] = [
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

/** When a certificate ends. */
export function Expiry({ at }: { at: string }) {
  const now = useNow()
  const t = instant(at)
  if (t === undefined) return <span className="muted">unknown</span>
  const said = expiry(at, now)
  return (
    <span title={absolute(t)}>
      {said.tone === 'ok' ? <span className="nowrap">{dayOf(t)}</span> : <Light said={{ ...said, word: dayOf(t) }} />}
      <small className={classes.under}>
        {said.tone === 'bad' ? 'expired ' : said.tone === 'warn' ? 'soon, ' : ''}
        <AsOf at={t} />
      </small>
    </span>
  )
}
