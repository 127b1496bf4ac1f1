// What the pages of accepted risks and of changes ask of the server, and tell it.

import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import type { ChangeSearch } from '../words/exposure'
import { body, client } from './client'
import { queries } from './queries'
import { onceAsked } from './questions'
import type { AcceptanceMake } from './types'

export const acceptancesQuery = queryOptions({
  queryKey: ['acceptances'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/exposure/acceptances', { signal }))) ?? [],
  refetchInterval: 15_000,
})

/** Accepts a risk. The server signs it. */
export async function accept(make: AcceptanceMake) {
  const made = await body(client.POST('/api/v1/exposure/acceptances', { body: make }))
  await standingChanged()
  return made
}

/** Takes an acceptance back. */
export async function revoke(id: string) {
  await body(client.DELETE('/api/v1/exposure/acceptances/{id}', { params: { path: { id } } }))
  await standingChanged()
}

/** What was asked of sites about findings is asked anew where it is shown next. */
async function standingChanged() {
  queries.removeQueries({ queryKey: ['exposed'] })
  queries.removeQueries({ queryKey: ['host-findings'] })
  await queries.invalidateQueries({ queryKey: acceptancesQuery.queryKey })
}

/** What opened and closed. times: see changeTimes; without them nothing is asked. */
export const changesQuery = (s: ChangeSearch, times: { from: string; to?: string } | undefined) =>
  infiniteQueryOptions({
    ...onceAsked,
    queryKey: ['exposure-changes', s],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/exposure/diff', {
          params: {
            query: { from: '', ...times, ...pageParam, host: s.host, q: s.where, site: s.site, limit: 500 },
          },
          signal,
        }),
      ),
    enabled: times !== undefined,
    initialPageParam: {} as { cursor?: string; from?: string; to?: string },
    // Every page is of the times that the first one was of.
    getNextPageParam: (last) => (last.next ? { cursor: last.next, from: last.from, to: last.to } : undefined),
  })
