import { Skeleton, Tabs } from '@mantine/core'
import type { FindingsOf } from '../api/host'
import type { Host, HostDetail } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { Refusal } from '../parts/Refusal'
import { count } from '../words/count'
import { sentence } from '../words/status'
import { certificateColumns, packageColumns } from './detailColumns'
import { DetailTable } from './DetailTable'
import classes from './DetailTabs.module.css'
import { Findings } from './host/Lists'

/** What the site answered, in three lists. */
export function DetailTabs({
  host,
  detail,
  findings,
}: {
  host: Host
  detail: HostDetail
  findings: { data?: FindingsOf; error: unknown }
}) {
  const packages = detail.packages ?? []
  const certificates = detail.certificates ?? []
  return (
    <Tabs defaultValue="findings" keepMounted={false}>
      <Tabs.List className={classes.list}>
        <Tabs.Tab value="findings">Findings {findings.data ? count(findings.data.open) : ''}</Tabs.Tab>
        <Tabs.Tab value="packages">Packages {count(packages.length)}</Tabs.Tab>
        <Tabs.Tab value="certificates">Certificates {count(certificates.length)}</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="findings">
        <p className={classes.asof}>
          <AsOf at={detail.host.as_of.exposure} absent="not matched with advisories yet" prefix="matched " />
        </p>
        <Refusal error={findings.error} title="The findings cannot be shown now" />
        {findings.data ? (
          <>
            {findings.data.lacking ? <p className={classes.asof}>{sentence(findings.data.lacking)}</p> : null}
            <Findings host={host} of={findings.data} />
          </>
        ) : findings.error ? null : (
          <Skeleton height={220} radius="md" />
        )}
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
