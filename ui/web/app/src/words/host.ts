// What a row says of a host, in words short enough for a table.

import type { Host } from '../api/types'

/** The system in two words: "Debian GNU/Linux 12 (bookworm)" is "Debian 12". */
export function systemShort(os: Host['os']): string | undefined {
  if (!os.name && !os.id) return undefined
  const name = os.name || os.id || ''
  if (!os.version) return name
  const bare = name.replace(/\s*\(.*\)\s*$/, '').replace(/\s+(GNU\/Linux|Linux)\b/, '')
  return bare.includes(os.version) ? bare : `${bare} ${os.version}`
}

/** The first address and how many more there are. */
export function addressShort(host: Pick<Host, 'ipv4' | 'ipv6'>): { first: string; more: number } | undefined {
  const all = [...(host.ipv4 ?? []), ...(host.ipv6 ?? [])]
  const first = all[0]
  return first === undefined ? undefined : { first, more: all.length - 1 }
}

/** Yes, no, or that the system does not tell: three different answers. */
export function yesNo(v: boolean | undefined | null): string {
  if (v === undefined || v === null) return 'this system does not tell'
  return v ? 'yes' : 'no'
}
