// The page of hosts over a server that pretends to know a million of them, for the tests of it.

import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect } from 'vitest'
import { launch, open, type Watched } from './browser'
import { pretend, type Pretender } from './pretend'

export const million = 1_000_000

/** Starts the server and a browser around the tests of a describe. */
export function directory() {
  let p: Pretender
  let browser: Browser
  beforeAll(async () => {
    p = await pretend(million)
    browser = await launch()
  })
  beforeEach(() => {
    p.asked.length = 0
  })
  afterAll(async () => {
    await browser?.close()
    await p?.close()
  })
  return {
    get p() {
      return p
    },
    /** Opens the page of hosts and waits for its first answer. */
    async hosts(search = '', options: BrowserContextOptions = {}): Promise<Watched> {
      const opened = await open(browser, p.url, options)
      await opened.page.goto(`${p.url}/hosts${search}`)
      await opened.page.getByText(/ in 1\.2 ms/).waitFor()
      return opened
    },
    name: (i: number) => p.host(i).hostname,
  }
}

/** Ends the use of a page, on which nothing must have gone wrong. */
export async function done({ page, faults }: Watched): Promise<void> {
  expect(faults).toEqual([])
  await page.context().close()
}

export const grid = (page: Page) => page.getByRole('grid', { name: 'Hosts' })
export const row = (page: Page, i: number) => page.locator(`#host-row-${i}`)
export const q = (page: Page) => new URL(page.url()).searchParams.get('q')
