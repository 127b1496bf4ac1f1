// What the page of hosts asks of the server: rows by cursor, facets, completions, saved searches.

import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { Source } from '../directory/rows'
import { body, client } from './client'
import { queries } from './queries'

/** The rows of a search in an order. */
export function source(q: string, sort: string | undefined): Source {
  const get = (more: { after?: string; skip?: number; limit: number }, signal: AbortSignal) =>
    body(client.GET('/api/v1/hosts', { params: { query: { q: q || undefined, sort, ...more } }, signal }))
  return {
    page: (after, limit, signal) => get({ after, limit }, signal),
    async behind(n, signal) {
      const { next, total } = await get({ skip: n - 1, limit: 1 }, signal)
      return { after: next, total }
    },
  }
}

/** How often the counts at the side are asked for again, in milliseconds. */
const recount = 15_000

/** What the names of all those answers begin with. */
export const facetsKey = ['facets']

export const facetsQuery = (q: string, fields: string[], top: number) =>
  queryOptions({
    queryKey: [...facetsKey, { q, fields, top }],
    queryFn: ({ signal }) =>
      body(client.GET('/api/v1/hosts/facets', { params: { query: { q, fields: fields.join(','), top } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: recount,
    enabled: fields.length > 0,
  })

/** What may stand at a place of a search, the place in bytes. */
export function complete(q: string, at: number, signal: AbortSignal) {
  return body(client.GET('/api/v1/hosts/complete', { params: { query: { q, at } }, signal }))
}

/** What searches can be about. It changes with the server's version only. */
export const fieldsQuery = queryOptions({
  queryKey: ['fields'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/fields', { signal }))) ?? [],
  staleTime: Infinity,
  refetchInterval: false,
})

export const searchesQuery = queryOptions({
  queryKey: ['searches'],
  queryFn: async ({ signal }) => (await body(client.GET('/api/v1/searches', { signal }))) ?? [],
  refetchInterval: false,
})

/** Keeps a search under a name; replace: also where one has that name already. */
export async function saveSearch(
  name: string,
  search: { query: string; sort?: string; columns?: string[] },
  replace: boolean,
) {
  try {
    await body(
      client.PUT('/api/v1/searches/{name}', { params: { path: { name }, query: { new: !replace } }, body: search }),
    )
  } finally {
    await queries.invalidateQueries({ queryKey: searchesQuery.queryKey })
  }
}

export async function deleteSearch(name: string) {
  await body(client.DELETE('/api/v1/searches/{name}', { params: { path: { name } } }))
  await queries.invalidateQueries({ queryKey: searchesQuery.queryKey })
}

export const windows = ['day', 'month', 'years'] as const
export type Window = (typeof windows)[number]

/** How the sums of a site, or of "all", came to be what they are. */
export const trendQuery = (site: string, window: Window) =>
  queryOptions({
    queryKey: ['trend', site, window],
    queryFn: ({ signal }) =>
      body(client.GET('/api/v1/sites/{site}/trend', { params: { path: { site }, query: { window } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
    staleTime: 30_000,
  })

const address = (path: string, values: Record<string, string | undefined>) => {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(values)) if (v) p.set(k, v)
  const s = p.toString()
  return `/api/v1/hosts/${path}${s ? `?${s}` : ''}`
}

export type Format = 'csv' | 'ndjson'

/** Where all hosts of a search can be fetched as a file. */
export function exportAddress(q: string, sort: string | undefined, format: Format, columns: string[]): string {
  return address('export', { q, sort, format, columns: columns.join(',') })
}

/** Where the changes of a search are told as they happen. */
export function watchAddress(q: string): string {
  return address('watch', { q })
}
