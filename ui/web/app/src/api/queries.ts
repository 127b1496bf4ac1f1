// What the page asks of the server, and how often.

import { QueryClient, queryOptions, type UseQueryResult } from '@tanstack/react-query'
import { useLocalNow } from '../clock'
import { isFresh } from '../words/offset'
import { body, client } from './client'
import { mustLogIn, NoAnswer } from './fault'

/** Between two looks at the same thing. */
const poll = 5000

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The next poll is the retry; and whether the network is there is for the request to find out.
      retry: false,
      networkMode: 'always',
      staleTime: 2000,
      gcTime: 60_000,
      refetchInterval: (q) => (mustLogIn(q.state.error) ? false : poll),
    },
    mutations: { retry: false, networkMode: 'always' },
  },
})

export const nodeQuery = queryOptions({
  queryKey: ['node'],
  queryFn: ({ signal }) => body(client.GET('/api/v1/node', { signal })),
})

/** What a site thinks of its machine's clock. Only sites judge theirs. */
export const clockQuery = queryOptions({
  queryKey: ['clock'],
  queryFn: ({ signal }) => body(client.GET('/api/v1/node/clock', { signal })),
  refetchInterval: 15_000,
})

/** Takes the machine's clock for right. */
export async function acceptClock(): Promise<void> {
  queries.setQueryData(clockQuery.queryKey, await body(client.POST('/api/v1/node/clock')))
}

/** Why the server cannot do its work, in its words; none where it can. It is asked of a door that needs no login. */
export const readyQuery = queryOptions({
  queryKey: ['ready'],
  queryFn: async ({ signal }): Promise<string[]> => {
    const response = await fetch('/readyz', { signal })
    const said: unknown = await response.json().catch(() => undefined)
    if (typeof said !== 'object' || said === null || !('reasons' in said) || !Array.isArray(said.reasons))
      throw new NoAnswer('the answer cannot be read')
    return said.reasons.map(String)
  },
  refetchInterval: 15_000,
})

export const overviewQuery = queryOptions({
  queryKey: ['overview'],
  queryFn: ({ signal }) => body(client.GET('/api/v1/overview', { signal })),
})

export const sitesQuery = queryOptions({
  queryKey: ['sites'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/sites', { signal }))) ?? [],
})

export const siteQuery = (site: string) =>
  queryOptions({
    queryKey: ['site', site],
    queryFn: ({ signal }) => body(client.GET('/api/v1/sites/{site}', { params: { path: { site } }, signal })),
  })

export const hostQuery = (host: string) =>
  queryOptions({
    queryKey: ['host', host],
    queryFn: ({ signal }) => body(client.GET('/api/v1/hosts/{host}', { params: { path: { host } }, signal })),
  })

/** What only the site holds. It is asked once, when a person asks; it is work for the site. */
export const hostDetailQuery = (host: string) =>
  queryOptions({
    queryKey: ['host-detail', host],
    queryFn: ({ signal }) => body(client.GET('/api/v1/hosts/{host}/detail', { params: { path: { host } }, signal })),
    refetchInterval: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
    refetchOnMount: false,
    staleTime: Infinity,
    gcTime: 0,
  })

/** Opens a session; the browser keeps its cookie. */
export async function logIn(account: string, password: string): Promise<void> {
  await body(client.POST('/api/v1/login', { body: { account, password } }))
}

/** Ends the session and forgets everything that was shown. */
export async function logOut(): Promise<void> {
  await body(client.POST('/api/v1/logout'))
  await forget()
}

/** Drops every answer held, and asks anew who is logged in. */
export async function forget(): Promise<void> {
  queries.removeQueries({ predicate: (q) => q.queryKey[0] !== 'node' })
  await queries.resetQueries({ queryKey: nodeQuery.queryKey })
}

/** Whether what a query holds is of now. */
export function useFresh(q: Pick<UseQueryResult, 'dataUpdatedAt' | 'isError'>): boolean {
  return isFresh(q.dataUpdatedAt, q.isError, useLocalNow())
}
