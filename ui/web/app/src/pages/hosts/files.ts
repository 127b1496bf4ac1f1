// Exports of marked hosts: several searches, one file.

import { exportAddress, type Format } from '../../api/directory'
import { faultOf } from '../../api/fault'

/** Joins the files of several searches: of a table only the first keeps its head. */
export function joined(parts: string[], format: Format): string {
  if (format === 'ndjson') return parts.join('')
  return parts.map((p, i) => (i === 0 ? p : p.slice(p.indexOf('\n') + 1))).join('')
}

/** Fetches the hosts of some searches as one file. */
export async function fetchFile(
  queries: string[],
  sort: string | undefined,
  format: Format,
  columns: string[],
): Promise<Blob> {
  const parts = []
  for (const q of queries) {
    const response = await fetch(exportAddress(q, sort, format, columns))
    if (!response.ok) throw faultOf(await response.json().catch(() => undefined), response.status)
    parts.push(await response.text())
  }
  return new Blob([joined(parts, format)], { type: format === 'csv' ? 'text/csv' : 'application/x-ndjson' })
}

/** Hands a file to the browser's downloads. */
export function download(file: Blob, name: string): void {
  const address = URL.createObjectURL(file)
  const a = document.createElement('a')
  a.href = address
  a.download = name
  a.click()
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
