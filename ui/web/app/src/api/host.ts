// What only a host's site holds. Everything here is asked once, when a person looks at it: it is work for the site.

import { queryOptions } from '@tanstack/react-query'
import type { HistoryKind } from '../words/detail'
import { body, client } from './client'
import type { HostExposure, Standing } from './types'

const onceAsked = {
  refetchInterval: false,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
  staleTime: Infinity,
} as const

/** Rows of one answer. */
const limit = 5000
/** Answers of one list. What a host has beyond them is left out, and the page says so. */
const most = 10

/** Asks for page after page, and gives the first answer with the rows of all. */
async function whole<R, T extends { next?: string; total: number }>(
  ask: (cursor: string | undefined) => Promise<T>,
  rows: (answer: T) => R[] | null,
): Promise<T & { rows: R[] }> {
  const first = await ask(undefined)
  const all = [...(rows(first) ?? [])]
  let next = first.next
  for (let n = 1; next && n < most; n++) {
    const page = await ask(next)
    all.push(...(rows(page) ?? []))
    next = page.next
  }
  return { ...first, next, rows: all }
}

export const packagesQuery = (host: string) =>
  queryOptions({
    queryKey: ['host-packages', host],
    queryFn: ({ signal }) =>
      whole(
        (cursor) =>
          body(
            client.GET('/api/v1/hosts/{host}/packages', {
              params: { path: { host }, query: { limit, cursor } },
              signal,
            }),
          ),
        (a) => a.packages,
      ),
    ...onceAsked,
  })

/** The findings of a host, with what is known of attacks and which risks are accepted. */
export const findingsQuery = (host: string) =>
  queryOptions({
    queryKey: ['host-findings', host],
    queryFn: ({ signal }) =>
      whole(
        (cursor) =>
          body(
            client.GET('/api/v1/hosts/{host}/exposure', {
              params: { path: { host }, query: { limit, cursor } },
              signal,
            }),
          ),
        (a) => a.findings,
      ),
    ...onceAsked,
  })

/** An answer about the findings of a host. */
export type FindingsOf = HostExposure & { rows: Standing[] }

export const certificatesQuery = (host: string) =>
  queryOptions({
    queryKey: ['host-certificates', host],
    queryFn: ({ signal }) =>
      whole(
        (cursor) =>
          body(
            client.GET('/api/v1/hosts/{host}/certificates', {
              params: { path: { host }, query: { limit, cursor } },
              signal,
            }),
          ),
        (a) => a.certificates,
      ),
    ...onceAsked,
  })

export const factsQuery = (host: string) =>
  queryOptions({
    queryKey: ['host-facts', host],
    queryFn: ({ signal }) => body(client.GET('/api/v1/hosts/{host}/facts', { params: { path: { host } }, signal })),
    ...onceAsked,
  })

/** The versions of what a host had, the newest first. */
export const historyQuery = (host: string, kind: HistoryKind) =>
  queryOptions({
    queryKey: ['host-history', host, kind],
    queryFn: ({ signal }) =>
      whole(
        (cursor) =>
          body(
            client.GET('/api/v1/hosts/{host}/history', {
              params: { path: { host }, query: { kind, limit: 500, cursor } },
              signal,
            }),
          ),
        (a) => a.versions ?? [],
      ),
    ...onceAsked,
  })

/** What turned one version into another. */
export const diffQuery = (host: string, kind: HistoryKind, from: number, to: number) =>
  queryOptions({
    queryKey: ['host-diff', host, kind, from, to],
    queryFn: ({ signal }) =>
      body(
        client.GET('/api/v1/hosts/{host}/history', { params: { path: { host }, query: { kind, from, to } }, signal }),
      ),
    ...onceAsked,
  })
