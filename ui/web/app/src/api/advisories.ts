// What the pages of advisories ask of the server. Advisories change a few times a day, so nothing here is asked for as
// often as the state of hosts.

import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import { asked, type AdvisorySearch } from '../words/advisories'
import { body, client } from './client'
import { onceAsked } from './questions'

/** Between two looks at the same thing. */
const poll = 30_000

/** Advisories on a page of their list. */
const limit = 100

/** What a search finds, by id. */
export const advisoriesQuery = (s: AdvisorySearch) =>
  infiniteQueryOptions({
    queryKey: ['advisories', s],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/advisories', {
          params: { query: { ...asked(s), limit, cursor: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
    staleTime: poll,
    refetchInterval: false,
  })

/** What this server takes advisories from. */
export const sourcesQuery = queryOptions({
  queryKey: ['advisory-sources'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/advisories/sources', { signal }))) ?? [],
  refetchInterval: poll,
})

/** One vulnerability with what every source says of it. */
export const advisoryQuery = (identifier: string) =>
  queryOptions({
    queryKey: ['advisory', identifier],
    queryFn: ({ signal }) =>
      body(client.GET('/api/v1/advisories/{identifier}', { params: { path: { identifier } }, signal })),
    refetchInterval: poll,
  })

/** Why its records are one, and which source won each field. */
export const explainedQuery = (identifier: string) =>
  queryOptions({
    queryKey: ['advisory-explained', identifier],
    queryFn: ({ signal }) =>
      body(client.GET('/api/v1/advisories/{identifier}/explain', { params: { path: { identifier } }, signal })),
    refetchInterval: poll,
  })

/** The hosts that have a vulnerability. Sites are asked, so it is asked once. */
export const exposedQuery = (identifier: string) =>
  infiniteQueryOptions({
    queryKey: ['exposed', identifier],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/exposure/cve/{identifier}', {
          params: { path: { identifier }, query: { limit: 500, cursor: pageParam } },
          signal,
        }),
      ),
    ...onceAsked,
  })

/** Has a source fetched as soon as may be. What came of it is in the list of sources. */
export const fetchSource = (name: string) =>
  body(client.POST('/api/v1/advisories/sources/{name}/fetch', { params: { path: { name } } }))
