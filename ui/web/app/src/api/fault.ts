// What can go wrong between this page and its server: it refuses (Refused, with its own words), or it
// does not answer at all (NoAnswer).

import type { Problem } from './types'

/** The server answered, and said no. */
export class Refused extends Error {
  readonly status: number
  readonly kind: string
  readonly title: string
  /** Where in a search it went wrong, in bytes, and what may have been meant there. */
  readonly span: { pos: number; end: number; suggestions: string[] } | undefined
  /** The text of a search and a mark under what is wrong in it, in two lines. */
  readonly caret: string | undefined
  /** Which part of the request it is about, such as query.sort. */
  readonly about: string | undefined

  constructor(
    problem: Pick<Problem, 'status' | 'kind' | 'title' | 'detail' | 'pos' | 'end' | 'suggestions' | 'errors' | 'caret'>,
  ) {
    super(problem.detail || problem.title)
    this.name = 'Refused'
    this.status = problem.status
    this.kind = problem.kind
    this.title = problem.title
    this.caret = problem.caret
    this.about = problem.errors?.[0]?.location
    this.span =
      problem.pos === undefined
        ? undefined
        : { pos: problem.pos, end: problem.end ?? problem.pos, suggestions: problem.suggestions ?? [] }
  }
}

/** No answer, or one that is not this server's. */
export class NoAnswer extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'NoAnswer'
  }
}

/** Whether the session has ended or never was. */
export function mustLogIn(err: unknown): boolean {
  return err instanceof Refused && err.status === 401
}

/** Makes a Refused of an error body, or a NoAnswer where the body is not a problem of this server. */
export function faultOf(body: unknown, status: number): Refused | NoAnswer {
  if (typeof body === 'object' && body !== null && 'detail' in body && typeof body.detail === 'string') {
    const p = body as Partial<Problem> & { detail: string }
    return new Refused({ ...p, status, kind: p.kind ?? 'other', title: p.title ?? 'The request failed' })
  }
  return new NoAnswer(`something answered with status ${status}, but not as a Skerry server does`)
}

/** What to show of any error: what happened. What to type at a prompt against it is left out, for here is none. */
export function errorText(err: unknown): string {
  return withoutCommands(err instanceof Error ? err.message : String(err))
}

/** Leaves out the clauses of a message that name a command, `skerry ...`, and keeps at least the first. */
function withoutCommands(text: string): string {
  const [first, ...more] = text.split(/(?<=[;:]) /)
  const kept = [first!, ...more.filter((clause) => !clause.includes('`skerry '))]
  return kept.length > more.length ? text : kept.join(' ').replace(/[;:]$/, '')
}
