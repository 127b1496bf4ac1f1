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
