// Writes src/api/schema.d.ts, the page's types, from the server's own description of its interface, which
// comes on the standard input: `npm run schema`.

import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import openapiTS, { astToString, COMMENT_HEADER } from 'openapi-typescript'

/**
 * The types of a description. Their last line is the digest of all of it but the server's version; a test
 * of the Go package ui/web holds that line against the interface, so that the types cannot fall behind it
 * where nobody has Node.
 * @param {string} description
 * @returns {Promise<string>}
 */
export async function typesOf(description) {
  const types = astToString(await openapiTS(description))
  const lasting = description.trimEnd().replace(/^    "version": ".*"$/m, '    "version": ""')
  return `${COMMENT_HEADER}${types}// described by sha256:${createHash('sha256').update(lasting).digest('hex')}\n`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await writeFile(new URL('src/api/schema.d.ts', import.meta.url), await typesOf(await text(process.stdin)))
