import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { typesOf } from '../schema.mjs'
import { run } from './federation'

test('the types are those of the server', async () => {
  const now = await typesOf(await run('openapi'))
  const committed = await readFile(new URL('../src/api/schema.d.ts', import.meta.url), 'utf8')
  expect(committed === now, 'src/api/schema.d.ts is not what the server describes: run `npm run schema`').toBe(true)
})
