import type { ReactNode } from 'react'
import type { Host } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { Facts } from '../parts/Facts'
import { leftOut, SeverityCounts } from '../parts/Severity'
import { count, plural } from '../words/count'
import { yesNo } from '../words/host'
import { dayOf, instant } from '../words/time'
import classes from './HostFacts.module.css'

/** The directory row of a host, in the groups that were observed together, each with its time. */
export function HostFacts({ host }: { host: Host }) {
  const expiry = instant(host.next_cert_expiry)
  return (
    <div className={classes.groups}>
      <Group title="Presence" at={host.as_of.status} absent="never judged">
        <Facts
          wide
          rows={[
            ['Status', host.status_reason ? `${host.status}: ${host.status_reason}` : host.status],
            ['Last seen', <AsOf at={host.last_seen} />],
            ['First seen', <AsOf at={host.first_seen} absent="not known" />],
            ['Place', [host.city, host.country, host.region].filter(Boolean).join(', ') || missing],
          ]}
        />
      </Group>
      <Group title="System" at={host.as_of.facts} absent="never reported">
        <Facts
          wide
          rows={[
            ['System', host.os.name || host.os.id || missing],
            ['Kernel', [host.kernel, host.arch].filter(Boolean).join(' · ') || missing],
            ['Full name', host.fqdn || missing],
            ['IPv4', list(host.ipv4)],
            ['IPv6', list(host.ipv6)],
            ['MAC', list(host.mac)],
            ['Booted', <AsOf at={host.booted_at} absent="not reported" />],
            ['Reboot needed', yesNo(host.reboot_needed)],
            ['Processors', host.cpus ? count(host.cpus) : missing],
            ['Memory', host.memory_mb ? `${count(host.memory_mb)} MiB` : missing],
            ['Serial number', host.serial || missing],
            ['Owner', host.owner || missing],
            ['Agent', host.agent_version || missing],
            ['Tags', list(host.tags, ', ')],
            ['Id', <code>{host.id}</code>],
          ]}
        />
      </Group>
      <Group title="Exposure" at={host.as_of.exposure} absent="not matched with advisories yet">
        {host.as_of.exposure ? (
          <>
            <SeverityCounts counts={host.exposure} />
            <p className={classes.note}>
              {[
                ...leftOut(host.exposure),
                ...(host.updates === undefined ? [] : [plural(host.updates, 'pending update')]),
                ...(host.compliance === undefined ? [] : [`meets ${host.compliance.toFixed(1)} % of its policies`]),
              ].join(' · ')}
            </p>
          </>
        ) : (
          <p className={classes.note}>Not known: this host’s packages have not been matched with advisories.</p>
        )}
      </Group>
      <div className={classes.pair}>
        <Group title="Packages" at={host.as_of.packages} absent="no inventory yet">
          <p className={classes.figure}>{host.as_of.packages ? count(host.package_n) : '–'}</p>
        </Group>
        <Group title="Certificates" at={host.as_of.certificates} absent="not looked for yet">
          <p className={classes.figure}>
            {host.as_of.certificates ? count(host.certificate_n) : '–'}
            {expiry !== undefined ? (
              <small>
                next expires {dayOf(expiry)} (<AsOf at={expiry} />)
              </small>
            ) : null}
          </p>
        </Group>
      </div>
    </div>
  )
}

const missing = <span className="muted">not reported</span>

function list(values: string[] | null | undefined, by = '\n'): ReactNode {
  return values && values.length > 0 ? <span className={classes.lines}>{values.join(by)}</span> : missing
}

function Group({
  title,
  at,
  absent,
  children,
}: {
  title: string
  at: string | undefined
  absent: string
  children: ReactNode
}) {
  return (
    <section className={classes.group}>
      <h3>
        {title}
        <span>
          <AsOf at={at} absent={absent} prefix="as of " />
        </span>
      </h3>
      {children}
    </section>
  )
}
