// The part of the address behind the question mark, on the page of hosts. It holds everything that
// decides what is shown, so that an address can be shared.

export interface HostSearch {
  q?: string
  /** A field, with "-" before it for falling; by name where it is absent. */
  sort?: string
  /** The columns in their order, between commas. */
  cols?: string
  /** The host whose drawer is open. */
  host?: string
  /** Facets that are folded, and those shown at length, between commas. */
  shut?: string
  more?: string
}

/** The longest search that the server takes, in bytes; the page takes as many characters. */
export const longestQuery = 4096

/**
 * Reads what an address holds; what is unknown or empty is undefined. Every key is there, because the
 * router keeps what it is not given.
 */
export function hostSearch(from: Record<string, unknown>): HostSearch {
  return {
    q: text(from['q'], longestQuery),
    sort: text(from['sort'], 64, /^-?[a-z_]+(:[a-z]+)?$/),
    cols: text(from['cols'], 1024, /^[a-z0-9_,]+$/),
    host: text(from['host'], 255),
    shut: text(from['shut'], 256, /^[a-z_,]+$/),
    more: text(from['more'], 256, /^[a-z_,]+$/),
  }
}

function text(v: unknown, most: number, form?: RegExp): string | undefined {
  const t = (typeof v === 'string' && v.trim().slice(0, most)) || undefined
  return t === undefined || (form && !form.test(t)) ? undefined : t
}

/** The parts of a list between commas. */
export function listOf(v: string | undefined): string[] {
  return v ? [...new Set(v.split(',').filter(Boolean))] : []
}

/** A list with a part added, or taken out where it was there; undefined where nothing is left. */
export function flipped(v: string | undefined, part: string): string | undefined {
  const list = listOf(v)
  return (list.includes(part) ? list.filter((p) => p !== part) : [...list, part]).join(',') || undefined
}

/** Reads a query string plainly: every value is text. */
export function parseQuery(query: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(query))
}

/** Writes a query string plainly, with its question mark, or nothing. Colons and commas stay readable. */
export function writeQuery(search: Record<string, unknown>): string {
  const p = new URLSearchParams()
  for (const [k, v] of Object.entries(search)) {
    if (v !== undefined && v !== null && v !== '') p.set(k, String(v))
  }
  const s = p.toString().replaceAll('%3A', ':').replaceAll('%2C', ',')
  return s ? `?${s}` : ''
}

/**
 * A path with what may stand in it as it is standing so, as in ALSA-2026:1. The server reads such a path alone as what it
 * says: of one that is escaped more than need be it takes the values as they are written.
 */
export function plainPath(path: string): string {
  return path.replace(/%(?:24|26|2B|2C|3A|3B|3D|40)/gi, decodeURIComponent)
}
