// Short names for the types that the server's own description of its API gives (schema.d.ts, which
// `npm run schema` writes).

import type { components } from './schema'

type Schemas = components['schemas']

export type Node = Schemas['Node']
export type Uplink = Schemas['Uplink']
export type Overview = Schemas['Overview']
export type Site = Schemas['Site']
export type Exposure = Schemas['Exposure']
export type Counts = Schemas['Counts']
export type TopEntry = Schemas['TopEntry']
export type HostDetail = Schemas['HostDetail']
export type Package = Schemas['Package']
export type Certificate = Schemas['Certificate']
export type Finding = Schemas['Finding']
export type Host = Schemas['Host']
export type Hosts = Schemas['Hosts']
export type Problem = Schemas['Problem']
export type Note = Schemas['Note']
export type Facet = Schemas['Facet']
export type Facets = Schemas['Facets']
export type Completion = Schemas['Completion']
export type Field = Schemas['Field']
export type SavedSearch = Schemas['SavedSearch']
export type Trend = Schemas['Trend']
export type TrendPoint = Schemas['TrendPoint']
export type Clock = Schemas['Clock']
export type Alert = Schemas['Alert']
export type Alerts = Schemas['Alerts']
export type AlertDecision = Schemas['AlertDecision']
export type AlertRule = Schemas['AlertRule']
export type AlertRulePut = Schemas['AlertRulePut']
export type SiteAlerts = Schemas['SiteAlerts']
export type HostFactsAnswer = Schemas['HostFacts']
export type OSFacts = Schemas['OSFacts']
export type HostHistory = Schemas['HostHistory']
export type HostVersion = Schemas['HostVersion']
export type HostDiff = Schemas['HostDiff']
export type PackageAt = Schemas['PackageAt']
export type ExpiringCertificate = Schemas['ExpiringCertificate']
export type Gathered = Pick<
  Schemas['PackagesWhere'],
  'total' | 'next' | 'answered' | 'partial' | 'answered_n' | 'partial_n'
>
export type Policy = Schemas['Policy']
export type PolicyResults = Schemas['PolicyResults']
export type PolicyHostResult = Schemas['PolicyHostResult']
