// What the pages of alerts and policies ask of the server.

import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { AlertSearch } from '../words/alerts'
import { body, client } from './client'
import { queries } from './queries'
import type { AlertDecision, AlertRulePut } from './types'

/** Alerts on a page of their list. */
const limit = 100

/** Alerts by what is asked for: what is not resolved by severity, else the newest first. far: another server is asked through this one, and so less often. */
export const alertsQuery = (s: AlertSearch, far: boolean) =>
  infiniteQueryOptions({
    queryKey: ['alerts', s],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/alerts', {
          params: { query: { ...s, limit, after: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
    ...(far ? { refetchInterval: 30_000 } : {}),
  })

/** Says that somebody looks after an alert. site: at a controller, whose it is; then it is said what becomes of that. */
export async function acknowledge(id: string, note: string, site?: string): Promise<AlertDecision | undefined> {
  const said = note ? { note } : {}
  if (site !== undefined)
    return await body(
      client.POST('/api/v1/sites/{site}/alerts/{id}/acknowledge', { params: { path: { site, id } }, body: said }),
    ).finally(afterAlert)
  await body(client.POST('/api/v1/alerts/{id}/acknowledge', { params: { path: { id } }, body: said })).finally(
    afterAlert,
  )
  return undefined
}

export async function resolve(id: string, note: string, site?: string): Promise<AlertDecision | undefined> {
  const said = note ? { note } : {}
  if (site !== undefined)
    return await body(
      client.POST('/api/v1/sites/{site}/alerts/{id}/resolve', { params: { path: { site, id } }, body: said }),
    ).finally(afterAlert)
  await body(client.POST('/api/v1/alerts/{id}/resolve', { params: { path: { id } }, body: said })).finally(afterAlert)
  return undefined
}

async function afterAlert() {
  await Promise.all([
    queries.invalidateQueries({ queryKey: ['alerts'] }),
    queries.invalidateQueries({ queryKey: ['overview'] }),
    queries.invalidateQueries({ queryKey: ['sites'] }),
  ])
}

export const rulesQuery = queryOptions({
  queryKey: ['alert-rules'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/alert-rules', { signal }))) ?? [],
})

export const metricsQuery = queryOptions({
  queryKey: ['alert-metrics'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/alert-metrics', { signal }))) ?? [],
  staleTime: Infinity,
  refetchInterval: false,
})

/** Makes a rule, or replaces the one of that name; fresh: refuses where there is one. */
export async function putRule(name: string, rule: AlertRulePut, fresh: boolean) {
  await body(
    client.PUT('/api/v1/alert-rules/{name}', { params: { path: { name }, query: { new: fresh } }, body: rule }),
  )
  await queries.invalidateQueries({ queryKey: rulesQuery.queryKey })
}

export async function dropRule(name: string) {
  await body(client.DELETE('/api/v1/alert-rules/{name}', { params: { path: { name } } }))
  await queries.invalidateQueries({ queryKey: rulesQuery.queryKey })
}

export const policiesQuery = queryOptions({
  queryKey: ['policies'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/policies', { signal }))) ?? [],
})

export const policyQuery = (policy: string) =>
  queryOptions({
    queryKey: ['policy', policy],
    queryFn: ({ signal }) => body(client.GET('/api/v1/policies/{policy}', { params: { path: { policy } }, signal })),
  })

/** Which hosts meet a policy. It is judged at the site at the moment it is asked. */
export const resultsQuery = (policy: string, s: { host?: string; site?: string; all?: boolean }) =>
  infiniteQueryOptions({
    queryKey: ['policy-results', policy, s],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/policies/{policy}/results', {
          params: { path: { policy }, query: { ...s, limit, after: pageParam } },
          signal,
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: keepPreviousData,
    refetchInterval: false,
  })
