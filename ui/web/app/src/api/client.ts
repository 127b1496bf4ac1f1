// The one way to the server: the types come from its own OpenAPI document, the cookie from the
// browser, and every failure becomes one of the two of fault.ts.

import createClient, { defaultPathSerializer } from 'openapi-fetch'
import { clock } from '../clock'
import { plainPath } from '../words/search'
import { faultOf, NoAnswer } from './fault'
import type { paths } from './schema'

/** Longer than the server gives a site to answer a question (20 s). */
const patience = 30_000

export const client = createClient<paths>({
  pathSerializer: (path, values) => plainPath(defaultPathSerializer(path, values)),
  fetch: async (request) => {
    const signal = AbortSignal.any([request.signal, AbortSignal.timeout(patience)])
    let response: Response
    try {
      response = await fetch(request, { signal })
    } catch (err) {
      if (request.signal.aborted) throw err
      throw new NoAnswer(signal.aborted ? `no answer within ${patience / 1000} s` : 'the connection failed')
    }
    clock.observe(response.headers.get('Date'), Date.now())
    return response
  },
})

interface Result<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The body of an answer, or its failure thrown. */
export async function body<T>(asked: Promise<Result<T>>): Promise<T> {
  let result: Result<T>
  try {
    result = await asked
  } catch (err) {
    // An answer that says it is JSON and is not.
    if (err instanceof SyntaxError) throw new NoAnswer('the answer cannot be read')
    throw err
  }
  if (!result.response.ok) throw faultOf(result.error, result.response.status)
  return result.data as T
}
