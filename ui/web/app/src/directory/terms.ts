// Adding and taking away single conditions in the text of a search, as a click on a facet does. It
// knows words, quotes and parentheses, and leaves all else as it was typed: the server is the one that
// understands a search.

/** How a value stands in a search: asked for, ruled out, or neither. */
export type Standing = 'in' | 'out' | 'open'

/** Fields of which a host can have several values: two of them are both asked for, not either. */
const several = new Set(['tag'])

/** What a field is called, where the name that was typed is another one for it. */
export type Rename = (name: string) => string

const same: Rename = (name) => name

interface Piece {
  text: string
  start: number
  end: number
}

/** The value that stands for any value at all. */
export const anyValue = '*'

/** Writes a condition: `site:berlin`, `tag:"two words"`, `os:debian:12`. */
export function term(field: string, value: string): string {
  if (value === anyValue) return `${field}:*`
  if (field === 'os') {
    const gap = value.indexOf(' ')
    if (gap > 0) return `os:${quoted(value.slice(0, gap))}:${quoted(value.slice(gap + 1))}`
  }
  return `${field}:${quoted(value)}`
}

/** Writes that any of some conditions on one field will do, given as term() writes them. */
function anyTerm(field: string, terms: string[]): string {
  if (terms.length === 1) return terms[0]!
  const values = terms.map((t) => t.slice(field.length + 1))
  const plain = values.every((v) => !v.includes(':') && (bare.test(v) || /^"[^*]*"$/.test(v)))
  return plain ? `${field}:${values.join(',')}` : `(${terms.join(' or ')})`
}

/** What needs no quotes. */
const bare = /^[\p{L}\p{N}_][\p{L}\p{N}_./-]*$/u

function quoted(value: string): string {
  return bare.test(value) && !value.includes('..') ? value : `"${value.replace(/["\\*]/g, '\\$&')}"`
}

/** Splits a text into words and groups; undefined where a quote or a parenthesis has no end. */
function pieces(text: string): Piece[] | undefined {
  const found: Piece[] = []
  let start = -1
  let depth = 0
  let quote = false
  for (let i = 0; i <= text.length; i++) {
    const c = text[i]
    if (quote) {
      if (c === undefined) return undefined
      if (c === '\\') i++
      else if (c === '"') quote = false
      continue
    }
    if (c === undefined || (depth === 0 && /\s/.test(c))) {
      if (start >= 0) found.push({ text: text.slice(start, i), start, end: i })
      start = -1
      continue
    }
    if (start < 0) start = i
    if (c === '\\') i++
    else if (c === '"') quote = true
    else if (c === '(') depth++
    else if (c === ')' && --depth < 0) return undefined
  }
  return depth === 0 ? found : undefined
}

const isOr = (p: Piece) => /^(or|\|\|?)$/i.test(p.text)
const isAnd = (p: Piece) => /^(and|&&?)$/i.test(p.text)
const isNot = (p: Piece | undefined) => p !== undefined && /^(not|!)$/i.test(p.text)
const within = (p: string) => (p.startsWith('(') && p.endsWith(')') ? p.slice(1, -1) : undefined)

interface Part {
  /** The field, and its conditions as term() writes them: one, or several of which any will do. */
  field?: string
  terms: string[]
  not: boolean
  start: number
  end: number
}

/** The conditions that must all hold. A search that is an "or" as a whole is one of them. */
function parts(text: string, rename: Rename): Part[] | undefined {
  const all = pieces(text)
  if (!all) return undefined
  if (all.some(isOr)) {
    const either = anyOf(all, rename)
    return [{ ...either, terms: either?.terms ?? [], not: false, start: 0, end: text.length }]
  }
  const found: Part[] = []
  for (let i = 0; i < all.length; i++) {
    const p = all[i]!
    if (isAnd(p) || isNot(p)) continue
    const dash = p.text.length > 1 && /^[-!]/.test(p.text)
    const worded = isNot(all[i - 1])
    const bare = dash ? p.text.slice(1) : p.text
    const inner = within(bare)
    const either = inner === undefined ? single(bare, rename) : anyOf(pieces(inner) ?? [], rename)
    const start = worded ? all[i - 1]!.start : p.start
    found.push({ ...either, terms: either?.terms ?? [], not: dash !== worded, start, end: p.end })
  }
  return found
}

/** Reads `field:value` and `field:value,value`; undefined where it is anything else. */
function single(text: string, rename: Rename): { field: string; terms: string[] } | undefined {
  const m = /^([a-z_-]+)(?::=?|==?)(.+)$/is.exec(text)
  if (!m) return undefined
  const field = rename(m[1]!.toLowerCase().replaceAll('-', '_'))
  const values = m[2]!.match(/("(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []
  const apart = (v: string) => (field === 'os' ? v.replace(/^"([^\s"]+) ([^"]+)"$/, '$1:"$2"') : v)
  return { field, terms: values.map((v) => `${field}:${plain(apart(v))}`) }
}

/** One way to write a value: without quotes it does not need, in lower case. */
function plain(value: string): string {
  return value
    .replace(/"((?:[^"\\]|\\.)*)"/g, (whole, inner: string) => (bare.test(inner) ? inner : whole))
    .toLowerCase()
}

/** Reads conditions on one field between "or"; undefined where it is anything else. */
function anyOf(all: Piece[], rename: Rename): { field: string; terms: string[] } | undefined {
  const terms: string[] = []
  let field: string | undefined
  for (const [i, p] of all.entries()) {
    if (i % 2 === 1) {
      if (!isOr(p)) return undefined
      continue
    }
    const one = single(p.text, rename)
    if (!one || (field !== undefined && field !== one.field)) return undefined
    field = one.field
    terms.push(...one.terms)
  }
  return field === undefined || all.length % 2 === 0 ? undefined : { field, terms }
}

const key = (field: string, value: string) => `${field}:${plain(term(field, value).slice(field.length + 1))}`

/** How a value of a field stands in a search. */
export function standing(text: string, field: string, value: string, rename: Rename = same): Standing {
  const k = key(field, value)
  const part = parts(text, rename)?.find((p) => p.field === field && p.terms.includes(k))
  return part === undefined ? 'open' : part.not ? 'out' : 'in'
}

/** The plain values of a field that a search asks for or rules out, as facets name them. */
export function named(text: string, field: string, rename: Rename = same): string[] {
  const found = (parts(text, rename) ?? []).filter((p) => p.field === field).flatMap((p) => p.terms)
  return found.flatMap((t) => {
    const value = t.slice(field.length + 1)
    const bareValue = value.replace(/^"(.*)"$/s, '$1').replace(/\\(.)/g, '$1')
    if (value === bareValue && /[*<>=]|\.\./.test(value)) return []
    return field === 'os' ? bareValue.replace(':', ' ') : bareValue
  })
}

/** Whether a search asks for values of a field. */
export function asksFor(text: string, field: string, rename: Rename = same): boolean {
  return parts(text, rename)?.some((p) => p.field === field && !p.not) ?? false
}

/** The search without what it asks of one field, so that the field's other values can be counted. */
export function without(text: string, field: string, rename: Rename = same): string {
  let out = text
  for (const p of (parts(text, rename) ?? []).reverse()) {
    if (p.field === field && !p.not) out = cut(out, p.start, p.end)
  }
  return unwrapped(out)
}

/** Whether several values of a field can be asked for at once only as "any of them". */
export function oneOf(field: string): boolean {
  return !several.has(field)
}

/** Asks for a value, or rules it out; what stood so already is taken away. */
export function toggle(text: string, field: string, value: string, not: boolean, rename: Rename = same): string {
  const was = standing(text, field, value, rename)
  const rest = was === 'open' ? text : drop(text, field, value, rename)
  if (was === (not ? 'out' : 'in')) return unwrapped(rest)
  const wanted = term(field, value)
  if (not) return join(rest, `-${wanted}`)
  const beside = oneOf(field) ? parts(rest, rename)?.find((p) => p.field === field && !p.not) : undefined
  if (!beside) return join(rest, wanted)
  return rest.slice(0, beside.start) + anyTerm(field, [...beside.terms, wanted]) + rest.slice(beside.end)
}

function drop(text: string, field: string, value: string, rename: Rename): string {
  const k = key(field, value)
  let out = text
  for (const p of (parts(text, rename) ?? []).reverse()) {
    if (p.field !== field || !p.terms.includes(k)) continue
    const left = p.terms.filter((t) => t !== k)
    const kept = left.length > 0 ? anyTerm(field, left) : ''
    out = kept ? out.slice(0, p.start) + (p.not ? '-' : '') + kept + out.slice(p.end) : cut(out, p.start, p.end)
  }
  return out
}

/** Takes a piece out, with the "and" that joined it. */
function cut(text: string, start: number, end: number): string {
  const before = text.slice(0, start).trimEnd()
  const after = text.slice(end).trimStart()
  if (/(^|\s)(and|&&?)$/i.test(before)) return `${before.replace(/\s*\S+$/, '')} ${after}`.trim()
  return `${before} ${after.replace(/^(and|&&?)\s+/i, '')}`.trim()
}

function join(text: string, wanted: string): string {
  const rest = text.trim()
  if (rest === '') return wanted
  const all = pieces(rest)
  return all?.some(isOr) ? `(${rest}) ${wanted}` : `${rest} ${wanted}`
}

/** Takes away the parentheses around a whole search. */
function unwrapped(text: string): string {
  const bare = text.trim()
  const all = pieces(bare)
  const inner = all?.length === 1 ? within(bare) : undefined
  return inner !== undefined && pieces(inner) ? inner.trim() : bare
}
