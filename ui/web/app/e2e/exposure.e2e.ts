import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, run, until, type Federation } from './federation'

/** Where to put pictures of the views, for whoever wants to look at them; nowhere if it is not set. */
const pictures = process.env['PICTURES']

interface Found {
  vulnerability: string
  package: string
  version: string
  source: string
  advisory: string
  source_package?: string
}

const osv = (id: string, name: string, more: object = {}) =>
  JSON.stringify({
    schema_version: '1.7.0',
    id,
    modified: '2026-11-20T00:00:00Z',
    published: '2026-11-20T00:00:00Z',
    summary: `A flaw of a test in ${name}`,
    affected: [
      { package: { ecosystem: 'Debian:12', name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }] },
    ],
    ...more,
  })

// They walk through many views, and a busy machine takes its time for each.
describe.skipIf(!haveBrowser())('exposure and exchange', { timeout: 240_000 }, () => {
  let f: Federation
  let browser: Browser
  let bundle: string
  let finding: Found

  beforeAll(async () => {
    const mirror = (dir: string) => join(dir, 'mirror')
    f = await federation(40, (dir) => {
      const at = JSON.stringify(mirror(dir))
      return [
        'advisories:',
        '  sources:',
        `    - {name: mirror, kind: osv, path: ${at}, every: 1h, source: acme-linux}`,
        `    - {name: known, kind: kev, path: ${JSON.stringify(join(dir, 'none.json'))}, every: 1h}`,
        '',
      ].join('\n')
    })
    const host = JSON.parse(await run('exposure', 'host', f.one, '-o', 'json', '--config', f.controller.config)) as {
      findings: Found[]
    }
    finding = host.findings[0]!
    await mkdir(mirror(f.dir))
    await writeFile(join(mirror(f.dir), 'ACME-2026-1.json'), osv('ACME-2026-1', 'openssl'))

    // What a partner says: one record of its own, and another word on one that is here.
    const partner = await f.another('partner')
    const said = join(f.dir, 'said', 'local')
    await mkdir(said, { recursive: true })
    const name = finding.source_package || finding.package
    await writeFile(join(said, 'LOCAL-2026-1.json'), osv('LOCAL-2026-1', name))
    await writeFile(join(said, 'LOCAL-2026-2.json'), osv('LOCAL-2026-2', name, { summary: 'What the partner says' }))
    await run('advisories', 'ingest', join(f.dir, 'said'), '--config', partner.config)
    await run('keys', 'generate', 'partner', '--config', partner.config)
    bundle = join(f.dir, 'partner.zst')
    await run('bundle', 'export', '-o', bundle, '--config', partner.config)
    const key = join(f.dir, 'partner.pem')
    await run('keys', 'export', 'partner', '-o', key, '--config', partner.config)
    await run('keys', 'import', 'partner', key, '--config', f.site.config)

    const mine = join(f.dir, 'mine', 'local')
    await mkdir(mine, { recursive: true })
    await writeFile(
      join(mine, 'LOCAL-2026-2.json'),
      osv('LOCAL-2026-2', 'no-such-package', { summary: 'What hq says' }),
    )
    const gone = { withdrawn: '2026-11-21T00:00:00Z' }
    await writeFile(join(mine, 'LOCAL-2026-3.json'), osv('LOCAL-2026-3', name, gone))
    await run('advisories', 'ingest', join(f.dir, 'mine'), '--config', f.controller.config)
    await until('the site has what the controller says', () =>
      run('advisories', 'get', 'LOCAL-2026-2', '--config', f.site.config),
    )
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await f?.close()
  })

  const picture = async (page: Page, name: string) => {
    if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true })
  }

  /** That nobody is kept from it, wide and on a phone, and nothing is wider than that. */
  const fits = async (page: Page, name: string) => {
    expect(await barriers(page), name).toEqual([])
    await picture(page, name)
    await page.setViewportSize({ width: 360, height: 740 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(360)
    expect(await barriers(page), `${name}, narrow`).toEqual([])
    await picture(page, `${name}-narrow`)
    await page.setViewportSize({ width: 1400, height: 860 })
  }

  test('a source is fetched at once, and says what came of it and what does not count', async () => {
    const { page, faults } = await open(browser, f.controller.url, { viewport: { width: 1400, height: 860 } })
    await logIn(page)
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Advisories' }).click()
    await page.getByRole('navigation', { name: 'Advisories' }).getByRole('link', { name: 'Sources' }).click()
    const mirror = page.getByRole('region', { name: 'mirror' })
    await mirror.getByRole('button', { name: 'Fetch now: mirror' }).click()
    await mirror
      .getByRole('status')
      .getByText(/^Fetched: /)
      .waitFor()
    await mirror.getByText('Not all of it counts', { exact: true }).waitFor()
    await mirror.getByText(/^1 record of what it may not speak for/).waitFor()
    const known = page.getByRole('region', { name: 'known' })
    await known.getByRole('button', { name: 'Fetch now: known' }).click()
    await known.getByRole('status').getByText('It was not fetched').waitFor()
    await known.getByText('The last attempt failed').waitFor()
    await fits(page, 'sources')

    // What was taken back says so before anything else.
    await page.goto(`${f.controller.url}/advisories/LOCAL-2026-3`)
    await page.getByText('Withdrawn on 21 Nov 2026', { exact: true }).first().waitFor()
    await page.getByText(/No host is matched with it any more/).waitFor()
    await page.getByText(/^nobody has rated it, which does not mean that it is harmless/).waitFor()
    await page.getByText(/^(No host|None of the hosts that are known about) has it\.$/).waitFor()
    await fits(page, 'withdrawn')

    await page.goto(`${f.controller.url}/advisories/bundles`)
    await page.getByRole('region', { name: 'Exported and refused' }).waitFor()
    await page.getByText(/^This server’s own log goes to/).waitFor()
    await page.getByText('No bundle was imported yet, and nobody said whose may be.').waitFor()
    await fits(page, 'bundles-none')
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('a risk is accepted from a finding, is seen there, and is taken back', async () => {
    const { page, faults } = await open(browser, f.controller.url, {
      viewport: { width: 1400, height: 860 },
      colorScheme: 'dark',
    })
    await logIn(page)
    await page.goto(`${f.controller.url}/advisories/accepted`)
    await page.getByText('No risk is accepted here, so every finding counts.').waitFor()
    await fits(page, 'accepted-none')

    // The drawer says as much of a finding as the page of the host.
    await page.goto(`${f.controller.url}/hosts?q=name:${f.one}`)
    await page.getByRole('grid', { name: 'Hosts' }).getByText(f.one, { exact: true }).click()
    const drawer = page.getByRole('dialog')
    await drawer.getByRole('button', { name: 'Detail from the site' }).click()
    const findings = page.getByRole('table', { name: 'Findings' })
    await findings.getByRole('columnheader', { name: 'EPSS' }).waitFor()
    await picture(page, 'drawer')
    expect(await barriers(page)).toEqual([])
    const what = `Accept the risk of ${finding.vulnerability} in ${finding.package} on ${f.one}`
    await drawer.getByLabel('Filter findings').fill(finding.vulnerability)
    await drawer.getByRole('link', { name: what }).click()

    const form = page.getByRole('form', { name: 'Accept a risk' })
    expect(await form.getByLabel('Vulnerability').inputValue()).toBe(finding.vulnerability)
    expect(await form.getByLabel('Host name').inputValue()).toBe(f.one)
    const button = form.getByRole('button', { name: 'Accept the risk' })
    expect(await button.isDisabled()).toBe(true)
    await form.getByLabel('Reason').fill('no route to it, until the move in spring')
    await form.getByLabel('For how long').selectOption('day')
    await form.getByLabel('Until the end of').fill('2020-01-01')
    await button.click()
    await form.getByRole('alert').getByText('The risk was not accepted').waitFor()
    await form.getByLabel('For how long').selectOption('30d')
    await fits(page, 'accept')
    await page.getByLabel('Reason').press('Enter')
    await page.getByRole('status').getByText(`The risk of ${finding.vulnerability} is accepted until`).waitFor()
    const row = page.getByRole('table', { name: 'Accepted risks' }).getByRole('row').filter({ hasText: 'no route' })
    await row.getByText(/^Active for 29 days more$/).waitFor()
    await row.getByText(/^admin, /).waitFor()
    await row.getByRole('link', { name: f.one, exact: true }).waitFor()
    await fits(page, 'accepted')

    await until('the site knows of it', async () => {
      const all = await run('exposure', 'accepted', '--config', f.site.config)
      if (!all.includes(finding.vulnerability)) throw new Error(all)
    })
    await page.goto(`${f.controller.url}/hosts/${f.one}?tab=findings`)
    await page.getByRole('table', { name: 'Findings' }).waitFor()
    await page.getByLabel('Filter findings').fill(finding.vulnerability)
    await page
      .getByText(/admin, until .*: no route to it/)
      .first()
      .waitFor()
    await page.getByText(/the others are accepted, or a statement \(VEX\) closes them/).waitFor()
    await fits(page, 'findings-accepted')

    await page.goto(`${f.controller.url}/advisories/accepted`)
    await page.getByRole('button', { name: `Revoke the acceptance of ${finding.vulnerability}` }).click()
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByText('No risk is accepted here, so every finding counts.').waitFor()
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('what opened and closed is told with its reason', async () => {
    const { page, faults } = await open(browser, f.controller.url, { viewport: { width: 1400, height: 860 } })
    await logIn(page)
    await page.goto(`${f.controller.url}/hosts/${f.one}?tab=findings`)
    await page.getByRole('link', { name: 'What opened and closed in the last 7 days' }).click()
    await page.getByRole('heading', { name: 'What changed', level: 1 }).waitFor()
    const table = page.getByRole('table', { name: 'Changes' })
    await table.getByText('Opened').first().waitFor()
    await table.getByRole('link', { name: f.one, exact: true }).first().waitFor()
    await page.getByText(/ to now: (of those that are here, )?\d+ opened · 0 closed$/).waitFor()
    await fits(page, 'changes')
    await page.getByLabel('When').selectOption('days')
    await page.getByLabel('From').fill('2020-01-01')
    await page.getByLabel('Through').fill('2020-01-02')
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.getByText('1 Jan 2020 to 2 Jan 2020').waitFor()
    expect(new URL(page.url()).searchParams.get('from')).toBe('2020-01-01')
    await fits(page, 'changes-none')
    await f.site.stop()
    await page.goto(`${f.controller.url}/advisories/changes?since=7d`)
    await page.getByRole('alert').getByText('This is not all: 1 of 1 site did not answer').waitFor()
    expect(await barriers(page)).toEqual([])
    await f.site.start()
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('a bundle is seen before it is imported, with its conflicts and what it means for hosts', async () => {
    const { page, faults } = await open(browser, f.site.url, { viewport: { width: 1400, height: 860 } })
    await logIn(page)
    await page.goto(`${f.site.url}/advisories/bundles`)
    const panel = page.getByRole('region', { name: 'Import a bundle' })
    const preview = panel.getByRole('button', { name: 'Preview' })
    expect(await preview.isDisabled()).toBe(true)
    await panel
      .getByLabel('Bundle', { exact: true })
      .setInputFiles({ name: 'x', mimeType: '', buffer: Buffer.from('no bundle') })
    await preview.click()
    await panel.getByRole('alert').getByText('This bundle would not be imported').waitFor()
    await fits(page, 'bundles-refused')

    await panel.getByLabel('Bundle', { exact: true }).setInputFiles(bundle)
    await panel.getByLabel('Where the two do not agree').selectOption('prefer_remote')
    await preview.click()
    const would = panel.getByRole('region', { name: 'What would come of it' })
    await would.getByText('It can be imported, and nothing is changed yet').waitFor()
    const conflicts = would.getByRole('table', { name: 'Conflicts' })
    await conflicts.getByText('What hq says').waitFor()
    await conflicts.getByText('What the partner says').waitFor()
    await conflicts.getByText('Debian:12 no-such-package >= 0').waitFor()
    await would.getByText(/^\d+ findings? would appear and 0 disappear, on \d+ hosts?$/).waitFor()
    await would
      .getByText(/: 2 appear, 0 disappear$/)
      .first()
      .click()
    await would
      .getByText(/^LOCAL-2026-1 /)
      .first()
      .waitFor()
    await fits(page, 'bundle-preview')

    // Another way of taking it is another preview.
    await panel.getByLabel('Where the two do not agree').selectOption('prefer_local')
    await would.waitFor({ state: 'detached' })
    await panel.getByLabel('Where the two do not agree').selectOption('prefer_remote')
    await preview.click()
    await would.getByRole('button', { name: 'Import' }).click()
    await panel.getByRole('region', { name: 'What came of it' }).getByText('Imported', { exact: true }).waitFor()

    const partners = page.getByRole('table', { name: 'Partners' })
    await partners.getByRole('link', { name: 'partner', exact: true }).click()
    const imports = page.getByRole('region', { name: 'Imports of partner' })
    await imports.getByText(/^Vulnerabilities: 1 new, 1 changed$/).waitFor()
    await imports.getByText(/^\d+ conflicts?$/).click()
    await imports.getByText('What hq says').waitFor()
    await page
      .getByRole('table', { name: 'Keys' })
      .getByRole('row')
      .filter({ hasText: 'partner' })
      .getByText('Active')
      .waitFor()
    await fits(page, 'bundles')

    // The same again is refused, unless it is forced.
    await panel.getByLabel('Bundle', { exact: true }).setInputFiles(bundle)
    await preview.click()
    await panel
      .getByRole('alert')
      .getByText(/Cursor not after current/)
      .waitFor()
    expect(faults).toEqual([])
    await page.context().close()
  })
})
