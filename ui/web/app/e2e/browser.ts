// A browser that watches what the page does behind its back.

import { existsSync } from 'node:fs'
import axe from 'axe-core'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { account } from './federation'

/** The browser: $CHROMIUM, or Debian's. */
export const executable = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** Whether there is a browser; says loudly when there is none. */
export function haveBrowser(): boolean {
  if (existsSync(executable)) return true
  console.error(
    `\nSKIPPED: the page is NOT tested, because there is no ${executable}. Install chromium, or set CHROMIUM to one.\n`,
  )
  return false
}

export function launch(): Promise<Browser> {
  const flags = [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    // The servers of the test have certificates of their own making.
    '--ignore-certificate-errors',
  ]
  if (process.getuid?.() === 0) flags.push('--no-sandbox')
  return chromium.launch({ executablePath: executable, args: flags })
}

/** A page of one server, and everything about it that should not be. */
export interface Watched {
  page: Page
  faults: string[]
}

export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true,
    viewport: { width: 1280, height: 860 },
    ...options,
  })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('request', (r) => {
    if (!r.url().startsWith(`${url}/`)) faults.push(`a request to another origin: ${r.url()}`)
  })
  page.on('pageerror', (err) => faults.push(`an error was not caught: ${err.message}`))
  page.on('console', (m) => {
    // The browser reports every refused or failed request here; those are for the tests to judge.
    if (m.type() === 'error' && !m.text().startsWith('Failed to load resource'))
      faults.push(`on the console: ${m.text()}`)
  })
  await page.goto(`${url}/`)
  if (await page.getByText('The page was not built into this program').count()) {
    throw new Error('the program holds no page: run `npm run build`, then build the program again')
  }
  return { page, faults }
}

export async function logIn(page: Page): Promise<void> {
  await page.getByLabel('Account').fill(account.name)
  await page.getByLabel('Password', { exact: true }).fill(account.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByRole('navigation', { name: 'Views' }).waitFor()
}

/** What stands in the way of people who do not use the page as its makers do. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const found = await (globalThis as unknown as { axe: typeof axe }).axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'],
    })
    return found.violations.flatMap((v) =>
      v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 160)} ${n.failureSummary ?? ''}`),
    )
  })
}
