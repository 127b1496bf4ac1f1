// What the page of bundles asks of the server, and the bundles that it sends.

import { queryOptions } from '@tanstack/react-query'
import type { ConflictWay } from '../words/bundles'
import { body, client } from './client'
import { faultOf, NoAnswer } from './fault'
import { queries } from './queries'
import type { ImportResult } from './types'

const poll = 10_000

/** How far the server's own log goes. */
export const syncQuery = queryOptions({
  queryKey: ['sync-status'],
  queryFn: ({ signal }) => body(client.GET('/api/v1/federation/sync/status', { signal })),
  refetchInterval: poll,
})

/** The origins of bundles, with what is allowed of each. */
export const partnersQuery = queryOptions({
  queryKey: ['partners'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/federation/sites', { signal }))) ?? [],
  refetchInterval: poll,
})

/** The newest imports of one origin. */
export const importsQuery = (name: string) =>
  queryOptions({
    queryKey: ['imports', name],
    queryFn: async ({ signal }) =>
      (await body(
        client.GET('/api/v1/federation/sites/{name}/history', {
          params: { path: { name }, query: { limit: mostImports } },
          signal,
        }),
      )) ?? [],
    refetchInterval: poll,
  })

/** Imports that are listed of one origin. */
export const mostImports = 50

export const keysQuery = queryOptions({
  queryKey: ['keys'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/keys', { signal }))) ?? [],
  refetchInterval: poll,
})

/** Entries of the record of what was done that are looked through for exports and refusals. */
export const mostEntries = 1000

export const auditQuery = queryOptions({
  queryKey: ['audit'],
  queryFn: ({ signal }) => body(client.GET('/api/v1/audit', { params: { query: { limit: mostEntries } }, signal })),
  refetchInterval: 30_000,
})

/** A bundle that somebody chose, and how it is to be taken in. */
export interface Upload {
  file: File
  onConflict: ConflictWay
  force: boolean
  skipSignature: boolean
}

/** Sending a gigabyte over a slow line, and judging every inventory, take their time. */
const patience = 30 * 60_000

/** Sends a bundle. preview: what would come of it, and nothing is changed. */
export async function takeBundle(u: Upload, preview: boolean): Promise<ImportResult> {
  const query = new URLSearchParams()
  if (u.onConflict) query.set('on_conflict', u.onConflict)
  if (u.force) query.set('force', 'true')
  if (u.skipSignature) query.set('skip_signature', 'true')
  let response: Response
  let said: unknown
  try {
    response = await fetch(`/api/v1/federation/${preview ? 'preview' : 'import'}?${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/zstd' },
      body: u.file,
      signal: AbortSignal.timeout(patience),
    })
    said = await response.json().catch(() => undefined)
  } catch {
    throw new NoAnswer('the connection failed, or the file cannot be read any more: choose it again')
  }
  if (!response.ok) throw faultOf(said, response.status)
  if (typeof said !== 'object' || said === null) throw new NoAnswer('the answer cannot be read')
  if (!preview) await Promise.all(['partners', 'imports', 'sync-status', 'keys', 'audit', 'overview'].map(again))
  return said as ImportResult
}

function again(key: string) {
  return queries.invalidateQueries({ queryKey: [key] })
}
