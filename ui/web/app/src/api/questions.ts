// Questions to all hosts, which each site answers for its own. They are asked when a person asks: they are work for
// every site.

import { infiniteQueryOptions } from '@tanstack/react-query'
import type { QuestionSearch } from '../words/questions'
import { body, client } from './client'

/** Rows of one answer. */
const limit = 500

/** For what is work for every site: it is asked when a person asks. */
export const onceAsked = {
  initialPageParam: undefined as string | undefined,
  getNextPageParam: (last: { next?: string }) => last.next || undefined,
  refetchInterval: false,
  refetchOnWindowFocus: false,
  refetchOnReconnect: false,
  staleTime: Infinity,
} as const

/** The hosts that have a package. */
export const packagesWhereQuery = (s: QuestionSearch) =>
  infiniteQueryOptions({
    queryKey: ['packages-where', s.name, s.op, s.version, s.where, s.site],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/packages/where', {
          params: {
            query: {
              name: s.name ?? '',
              op: s.op,
              version: s.version,
              q: s.where,
              site: s.site,
              limit,
              cursor: pageParam,
            },
          },
          signal,
        }),
      ),
    enabled: Boolean(s.name),
    ...onceAsked,
  })

/** The certificates that end soon. */
export const expiringQuery = (s: QuestionSearch) =>
  infiniteQueryOptions({
    queryKey: ['certificates-expiring', s.days, s.ahead, s.where, s.site],
    queryFn: ({ pageParam, signal }) =>
      body(
        client.GET('/api/v1/certificates/expiring', {
          params: {
            query: { within: `${s.days}d`, expired: !s.ahead, q: s.where, site: s.site, limit, cursor: pageParam },
          },
          signal,
        }),
      ),
    enabled: Boolean(s.days),
    ...onceAsked,
  })
