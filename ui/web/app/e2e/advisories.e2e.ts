import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, run, type Federation } from './federation'

/** Where to put pictures of the views, for whoever wants to look at them; nowhere if it is not set. */
const pictures = process.env['PICTURES']

/** Of the shipped sample: two sources speak of it, and give different days of publication. */
const told = 'CVE-2021-43784'

/** A catalog of one entry, in the form in which CISA publishes it. */
const catalog = JSON.stringify({
  title: 'CISA Catalog of Known Exploited Vulnerabilities',
  catalogVersion: '2026.11.20',
  dateReleased: '2026-11-20T12:00:00.000Z',
  count: 1,
  vulnerabilities: [
    {
      cveID: told,
      vendorProject: 'Open Containers',
      product: 'runc',
      vulnerabilityName: 'An entry of a test',
      dateAdded: '2026-11-02',
      shortDescription: 'It is not in the real catalog.',
      requiredAction: 'Apply updates.',
      dueDate: '2026-11-23',
      knownRansomwareCampaignUse: 'Known',
      notes: '',
      cwes: ['CWE-190'],
    },
  ],
})

const scores = `#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000
cve,epss,percentile
${told},0.3125,0.97
`

// They walk through many views, and a busy machine takes its time for each.
describe.skipIf(!haveBrowser())('advisories', { timeout: 240_000 }, () => {
  let f: Federation
  let browser: Browser
  let dir: string

  beforeAll(async () => {
    f = await federation(40)
    dir = await mkdtemp(join(tmpdir(), 'skerry-advisories-'))
    await writeFile(join(dir, 'known_exploited_vulnerabilities.json'), catalog)
    await writeFile(join(dir, 'epss_scores.csv'), scores)
    for (const [file, source] of [
      ['known_exploited_vulnerabilities.json', 'cisa-kev'],
      ['epss_scores.csv', 'epss'],
    ])
      await run('advisories', 'ingest', join(dir, file!), '--source', source!, '--config', f.controller.config)
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await f?.close()
    if (dir) await rm(dir, { recursive: true, force: true })
  })

  const picture = async (page: Page, name: string) => {
    if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true })
  }

  /** That nothing is wider than a phone, and nothing stands in anyone's way there. */
  const fits = async (page: Page, name: string) => {
    await page.setViewportSize({ width: 360, height: 740 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth), name).toBeLessThanOrEqual(360)
    expect(await barriers(page)).toEqual([])
    await picture(page, `${name}-narrow`)
    await page.setViewportSize({ width: 1400, height: 860 })
  }

  test('one is found, and its page says why it is one and who contradicts whom', async () => {
    const { page, faults } = await open(browser, f.controller.url, { viewport: { width: 1400, height: 860 } })
    await logIn(page)
    const views = page.getByRole('navigation', { name: 'Views' })
    await views.getByRole('link', { name: 'Advisories' }).click()
    await page.getByRole('table', { name: 'Advisories' }).waitFor()
    await page.getByText(/^16,59\d records/).waitFor()
    const rows = page.getByRole('table', { name: 'Advisories' }).getByRole('row')
    await expect.poll(() => rows.count()).toBe(101)
    await fits(page, 'advisories-all')
    await page.getByRole('button', { name: 'Show more' }).click()
    await expect.poll(() => rows.count()).toBe(201)

    // "/" goes to the search box, and the address carries what is searched for.
    await page.keyboard.press('/')
    await page.keyboard.type('43784')
    await page.keyboard.press('Enter')
    const row = rows.filter({ has: page.getByRole('link', { name: told, exact: true }) })
    await row.waitFor()
    await page.getByLabel('Known exploited').check()
    await page.getByRole('status').getByText('1 vulnerability · by id').waitFor()
    expect(new URL(page.url()).search).toBe('?q=43784&known=yes')
    await row.getByText('Exploited').waitFor()
    await row.getByText('31 %').waitFor()
    await row.getByText('6 Dec 2021').waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisories')
    await fits(page, 'advisories')

    await row.getByRole('link', { name: told }).click()
    await page.getByRole('heading', { name: told, level: 1 }).waitFor()
    const region = (name: string) => page.getByRole('region', { name, exact: true })
    await region('Which hosts').getByText('1 site answered').waitFor()
    const brief = region('In brief')
    await brief.getByText('known since 2 Nov 2026, to be mended by 23 Nov 2026; used by ransomware').waitFor()
    await brief.getByText('31 % within 30 days, among the highest 3 % of all that are scored').waitFor()
    const why = region('Why this is one vulnerability')
    await why.getByText('golang/GO-2022-0274').waitFor()
    await why.getByText(`It names ${told} as an alias.`).waitFor()
    await why.getByText(`Its own id is ${told}.`).waitFor()
    const say = region('What the sources say')
    const published = say.getByRole('list', { name: 'What others say: Published' })
    await published.getByRole('listitem').filter({ hasText: 'Differs' }).getByText('15 Jul 2022').waitFor()
    await say.getByText('Sources differ').waitFor()
    const go = region('Affected packages').getByRole('region', { name: 'Go' })
    await go.getByText('speaks for it').waitFor()
    await go.getByRole('cell', { name: 'github.com/opencontainers/runc' }).waitFor()
    await region('What it has to do with')
      .getByRole('link', { name: `DEBCL-runc-${told}` })
      .waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisory')
    await fits(page, 'advisory')

    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
    await brief.getByRole('button', { name: 'Copy the merge hash' }).click()
    await brief.getByRole('status').getByText('Copied').waitFor()
    const hash = await page.evaluate(() => navigator.clipboard.readText())
    expect(hash).toMatch(/^sha256:[0-9a-f]{64}$/)

    // The hash alone leads back to it.
    await page.goto(`${f.controller.url}/advisories`)
    await page.getByRole('textbox', { name: 'Search' }).fill(hash)
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: told, level: 1 }).waitFor()

    // An identifier with a colon is one as well, and what no record is about is looked for by name.
    await page.goto(`${f.controller.url}/advisories?q=ALSA-2026:10135`)
    await rows.getByRole('link', { name: 'ALSA-2026:10135' }).click()
    await page.getByRole('heading', { name: 'ALSA-2026:10135', level: 1 }).waitFor()
    await region('Affected packages').getByRole('region', { name: 'AlmaLinux' }).waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisory-alsa')
    await page.goto(`${f.controller.url}/advisories?q=DEBCL-runc-${told}`)
    await rows.getByRole('link', { name: `DEBCL-runc-${told}` }).waitFor()
    expect(await page.getByRole('link', { name: `Open DEBCL-runc-${told}` }).count()).toBe(0)
    await page.goto(`${f.controller.url}/advisories?q=CVE-2023-53781`)
    await page.getByRole('link', { name: 'Open CVE-2023-53781' }).click()
    await page.getByText('No record here is about CVE-2023-53781 itself').waitFor()

    await page.goto(`${f.controller.url}/advisories?q=no+such+thing`)
    await page.getByText('Nothing was found.').waitFor()
    expect(await barriers(page)).toEqual([])
    await page.goto(`${f.controller.url}/advisories/CVE-1999-0000`)
    await page.getByRole('alert').getByText('This advisory cannot be shown').waitFor()
    expect(await barriers(page)).toEqual([])
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('a finding leads to its vulnerability and that to its hosts, and a site that is away is named', async () => {
    const { page, faults } = await open(browser, f.controller.url, {
      viewport: { width: 1400, height: 860 },
      colorScheme: 'dark',
    })
    await logIn(page)
    await page.goto(`${f.controller.url}/hosts/${f.one}?tab=findings`)
    const finding = page.getByRole('table', { name: 'Findings' }).getByRole('row').nth(1).getByRole('link').first()
    const id = (await finding.textContent())!
    expect(await barriers(page)).toEqual([])
    await picture(page, 'findings')
    await finding.click()
    await page.getByRole('heading', { name: id, level: 1 }).waitFor()
    const hosts = page.getByRole('region', { name: 'Which hosts' })
    await hosts.getByRole('link', { name: f.one, exact: true }).waitFor()
    await hosts.getByText(/^\d+ hosts? affected/).waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisory-hosts')
    await fits(page, 'advisory-hosts')

    // The most widespread are named where a site is, and lead there as well.
    await page.goto(`${f.controller.url}/sites`)
    const first = page.getByRole('article', { name: 'Site oslo' }).getByRole('listitem').getByRole('link').first()
    const top = (await first.textContent())!
    await first.click()
    await page.getByRole('heading', { name: top, level: 1 }).waitFor()

    await f.site.stop()
    await page.goto(`${f.controller.url}/advisories/${id}`)
    await hosts.getByRole('alert').getByText('This is not all: 1 of 1 site did not answer').waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisory-partial')
    await f.site.start()
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('a site says how level it is with its controller, and a server without advisories what to do', async () => {
    const { page, faults } = await open(browser, f.site.url, { viewport: { width: 1400, height: 860 } })
    await logIn(page)
    await page.goto(`${f.site.url}/advisories`)
    await page.getByText('Level with its controller', { exact: true }).first().waitFor()
    await page.getByText('Where they come from').click()
    await page.getByRole('listitem').getByText('hq').waitFor()
    await page.getByRole('table', { name: 'Advisories' }).waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisories-site')
    await fits(page, 'advisories-site')

    await page.route('**/api/v1/overview', async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, json: { ...(await answer.json()), advisory_n: 0, cursor: '' } })
    })
    await page.reload()
    await page.getByText('No advisories are held here, so nothing can be said of vulnerabilities').waitFor()
    await page.getByText('They come from the controller').waitFor()
    expect(await barriers(page)).toEqual([])
    await picture(page, 'advisories-none')
    expect(faults).toEqual([])
    await page.context().close()
  })
})
