// Times as a person reads them. Every function takes the present as a parameter, in milliseconds.

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** What stands where a time is not known. */
export const never = 'never'

/** Reads an instant of the API; undefined where it is absent or not a time. */
export function instant(text: string | undefined | null): number | undefined {
  if (!text) return undefined
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}

/** A length of time in its largest unit, and the next one where it still tells something: "3 h 12 min". */
export function span(ms: number): string {
  const d = Math.max(0, ms)
  if (d < minute) return `${Math.floor(d / second)} s`
  if (d < hour) return `${Math.floor(d / minute)} min`
  if (d < day) return two(Math.floor(d / hour), 'h', Math.floor((d % hour) / minute), 'min')
  if (d < 10 * day) return two(days(d), days(d) === 1 ? 'day' : 'days', Math.floor((d % day) / hour), 'h')
  return `${days(d)} days`
}

function days(ms: number): number {
  return Math.floor(ms / day)
}

function two(n: number, unit: string, m: number, lesser: string): string {
  return m === 0 ? `${n} ${unit}` : `${n} ${unit} ${m} ${lesser}`
}

/**
 * How long ago, or how far ahead, an instant is: "12 s ago", "in 3 h". Up to five seconds ahead count as
 * now: the server's clock and this page's estimate of it are not that exact.
 */
export function ago(at: number, now: number): string {
  const d = now - at
  if (d > -5 * second && d < 2 * second) return 'just now'
  return d < 0 ? `in ${coarse(-d)}` : `${coarse(d)} ago`
}

function coarse(d: number): string {
  if (d < minute) return `${Math.floor(d / second)} s`
  if (d < hour) return `${Math.floor(d / minute)} min`
  if (d < 2 * day) return `${Math.floor(d / hour)} h`
  return `${days(d)} days`
}

const local = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'short',
})
const localShort = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
})
const localClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const localDay = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** The instant in full: as the reader's clock has it, then in UTC as logs have it. */
export function absolute(at: number): string {
  return `${local.format(at)} · ${new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')}`
}

/** Date and time to the minute on the reader's clock. */
export function moment(at: number): string {
  return localShort.format(at)
}

/** The time of day on the reader's clock. */
export function clockTime(at: number): string {
  return localClock.format(at)
}

/** The date on the reader's clock. */
export function dayOf(at: number): string {
  return localDay.format(at)
}

/** Puts the reader's clock into a sentence of the server, which writes instants as RFC 3339. */
export function localTimes(sentence: string): string {
  return sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, (text) => {
    const at = instant(text)
    return at === undefined ? text : moment(at)
  })
}
