import { Tabs } from '@mantine/core'
import type { HostDetail } from '../api/types'
import { AsOf } from '../parts/AsOf'
import { count } from '../words/count'
import { certificateColumns, findingColumns, packageColumns } from './detailColumns'
import { DetailTable } from './DetailTable'
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
