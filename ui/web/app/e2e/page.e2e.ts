import { readFile } from 'node:fs/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, run, type Federation } from './federation'

const hosts = 450

describe.skipIf(!haveBrowser())('the page', () => {
  let f: Federation
  let browser: Browser

  beforeAll(async () => {
    f = await federation(hosts)
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await f?.close()
  })

  /** The count over the table, once it is that. */
  const found = (page: Page, n: number) =>
    page
      .getByRole('status')
      .getByText(n === 1 ? '1 host' : `${n} hosts`, { exact: true })
      .waitFor()

  test('a server that cannot do its work says so before the login', async () => {
    const { page, faults } = await open(browser, f.controller.url)
    await page.route('**/readyz', (r) =>
      r.fulfill({ status: 503, json: { ready: false, reasons: ['the group has no leader: writes wait'] } }),
    )
    await page.reload()
    await page.getByText('The group has no leader: writes wait.').waitFor()
    expect(await barriers(page)).toEqual([])
    expect(faults).toEqual([])
    await page.context().close()
  })

  test("a wrong password is refused in the server's words", async () => {
    const { page, faults } = await open(browser, f.controller.url)
    await page.getByLabel('Account').fill('admin')
    await page.getByLabel('Password', { exact: true }).fill('not the password')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('The account or the password is wrong').waitFor()
    expect(await barriers(page)).toEqual([])
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('from the login to the packages of a host', async () => {
    const { page, faults } = await open(browser, f.controller.url)
    await logIn(page)

    const card = page.getByRole('article', { name: 'Site oslo' })
    await card.getByText('OK', { exact: true }).waitFor()
    await card.getByText(/^Up for /).waitFor()
    await card.getByText(`${hosts} up`).waitFor()
    const trend = page.getByRole('region', { name: 'Trend' })
    await trend.getByRole('img', { name: new RegExp(`^Hosts (since|in) .* to ${hosts}, `) }).waitFor()
    await trend.getByRole('radio', { name: 'Month' }).check()
    await trend.getByRole('img', { name: new RegExp(`^Hosts (since|in) .* to ${hosts}, `) }).waitFor()
    await card.getByText(new RegExp(`^\\d+ of ${f.inventoried} matched hosts affected`)).waitFor()
    expect(await barriers(page)).toEqual([])

    // "/" goes to the search box from anywhere.
    await page.keyboard.press('/')
    await found(page, hosts)
    const rows = page.getByRole('grid', { name: 'Hosts' })
    await page.keyboard.press('Escape')
    await page.keyboard.press('End')
    await rows
      .locator(`#host-row-${hosts - 1}`)
      .getByRole('checkbox')
      .waitFor()
    await page.keyboard.press('Home')
    await page.keyboard.press('/')
    await page.keyboard.type(`name:${f.one}`)
    await found(page, 1)
    expect(new URL(page.url()).search).toBe(`?q=name:${f.one}`)
    expect(await barriers(page)).toEqual([])

    await page.keyboard.press('Enter')
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    const drawer = page.getByRole('dialog')
    await drawer.getByRole('heading', { name: f.one }).waitFor()
    await drawer.getByText('Debian GNU/Linux 12 (bookworm)').waitFor()
    expect(new URL(page.url()).searchParams.get('host')).toBeTruthy()

    await drawer.getByRole('button', { name: 'Detail from the site' }).click()
    await drawer.getByText(/^answered by oslo/).waitFor()
    await drawer.getByRole('tab', { name: /^Packages \d+/ }).click()
    await drawer.getByRole('table', { name: 'Packages' }).waitFor()
    const packages = drawer.getByRole('table', { name: 'Packages' }).getByRole('row')
    const all = await packages.count()
    const installed = (await packages
      .nth(all - 1)
      .getByRole('cell')
      .first()
      .textContent())!
    await drawer.getByLabel('Filter packages').fill(installed)
    await expect.poll(() => packages.count()).toBeLessThan(all)
    await packages.nth(1).getByRole('cell', { name: installed, exact: true }).first().waitFor()
    expect(await barriers(page)).toEqual([])

    // The address alone brings back the same view.
    await page.reload()
    await page.getByRole('dialog').getByRole('heading', { name: f.one }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(new URL(page.url()).search).toBe(`?q=name:${f.one}`)
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('the real directory is searched, walked, saved and exported', async () => {
    const { page, faults } = await open(browser, f.controller.url)
    await logIn(page)
    await page.goto(`${f.controller.url}/hosts`)
    await found(page, hosts)
    await page.getByText(/^live, as of/).waitFor()
    const rows = page.getByRole('grid', { name: 'Hosts' })
    const shownIn = (i: number) => rows.locator(`#host-row-${i}`)

    // The last host is landed on by its number, and is the same one from the other side.
    await page.keyboard.press('j')
    await page.keyboard.press('End')
    await shownIn(hosts - 1)
      .getByRole('checkbox')
      .waitFor()
    const last = await shownIn(hosts - 1)
      .getByRole('checkbox')
      .getAttribute('aria-label')
    await page.keyboard.press('x')
    await page.getByRole('columnheader', { name: 'Host' }).getByRole('button').click()
    await shownIn(0).getByRole('checkbox', { name: last! }).waitFor()
    await page.getByText('1 selected').waitFor()

    // Facets count what the search finds.
    const side = page.getByRole('complementary', { name: 'Filters' })
    const debian = side.getByRole('button', { name: /^debian 12 / })
    const n = Number(/^debian 12(\d+) hosts?$/.exec((await debian.textContent()) ?? '')?.[1])
    expect(n).toBeGreaterThan(1)
    await debian.click()
    await found(page, n)
    expect(new URL(page.url()).searchParams.get('q')).toBe('os:debian:12')
    await page.getByText('1 selected').waitFor()

    // The box knows fields and values, and says where it cannot read.
    const box = page.getByLabel('Search hosts')
    await box.fill('')
    await found(page, hosts)
    await box.pressSequentially('si')
    await page.getByRole('option', { name: /^site:/ }).waitFor()
    await page.keyboard.press('Tab')
    await page.getByRole('option', { name: /^oslo/ }).waitFor()
    await page.keyboard.press('Tab')
    expect(await box.inputValue()).toBe('site:oslo ')
    await box.pressSequentially('statsu:up')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('There is no field "statsu"').waitFor()
    expect(await page.locator('mark').textContent()).toBe('statsu')
    expect(await barriers(page)).toEqual([])
    await page.getByRole('button', { name: 'status', exact: true }).click()
    await found(page, hosts)

    // What reads and is nobody's is remarked; what the server reads otherwise than it is written is shown.
    await box.fill('STATUS=up site:olso')
    await page.getByText('No host and no site has site:olso. Did you mean').waitFor()
    await page.getByText('read as status:up site:olso').waitFor()
    await page.getByRole('button', { name: 'oslo', exact: true }).click()
    await found(page, hosts)
    await box.fill('memory:>')
    await page.getByText('This search goes on.').waitFor()
    expect(await page.getByRole('button', { name: 'Export' }).isDisabled()).toBe(true)
    await page.goto(`${f.controller.url}/hosts?q=site:oslo&sort=-nonsense`)
    await page.getByText('There is no order “-nonsense”').waitFor()
    await found(page, hosts)
    await page.goto(`${f.controller.url}/hosts?q=site:oslo status:up&sort=-name`)
    await found(page, hosts)
    await shownIn(0).getByRole('checkbox').click()
    await shownIn(3)
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] })
    await page.getByText('4 selected').waitFor()
    await page.getByRole('group', { name: 'Selection' }).getByRole('button', { name: 'Clear' }).click()
    await shownIn(0).getByRole('checkbox').click()

    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByLabel(/^Save this search/).fill('oslo up')
    await page.keyboard.press('Enter')
    await page.getByText('Saved as oslo-up').waitFor()
    const saved = JSON.parse(await run('searches', 'list', '-o', 'json', '--config', f.controller.config)) as object[]
    expect(saved).toMatchObject([{ name: 'oslo-up', query: 'site:oslo status:up', sort: '-name' }])
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    for (const name of ['CSV', 'NDJSON, selected only']) {
      await page.getByRole('button', { name: 'Export' }).click()
      const [file] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('menuitem', { name, exact: true }).click(),
      ])
      const lines = (await readFile(await file.path(), 'utf8')).trim().split('\n')
      expect(lines).toHaveLength(name === 'CSV' ? hosts + 1 : 1)
    }
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('on a phone, in the dark, nothing is cut off', async () => {
    const { page, faults } = await open(browser, f.controller.url, {
      viewport: { width: 390, height: 844 },
      colorScheme: 'dark',
      hasTouch: true,
      isMobile: true,
    })
    await logIn(page)
    const fits = async (what: string) => {
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      expect(over, `${what} is wider than the phone by so many pixels`).toBeLessThanOrEqual(0)
      expect(await barriers(page)).toEqual([])
    }
    const shown = (text: RegExp | string) =>
      page.getByRole('main').getByText(text).filter({ visible: true }).first().waitFor()
    for (const [view, text] of [
      ['/sites', /matched hosts affected/],
      ['/sites/oslo', /matched hosts affected/],
      ['/hosts', `${hosts} hosts`],
    ] as const) {
      await page.goto(f.controller.url + view)
      await shown(text)
      await fits(view)
    }
    await page.goto(`${f.controller.url}/hosts?q=name:${f.one}`)
    await page.getByRole('row').nth(1).tap()
    const drawer = page.getByRole('dialog')
    await drawer.getByRole('button', { name: 'Detail from the site' }).tap()
    await drawer.getByRole('table', { name: 'Findings' }).waitFor()
    expect(await drawer.evaluate((d) => d.scrollWidth - d.clientWidth)).toBeLessThanOrEqual(0)
    await fits('the drawer')
    expect(faults).toEqual([])
    await page.context().close()
  })

  test('what cannot be reached is never green', async () => {
    const controller = await open(browser, f.controller.url)
    await logIn(controller.page)
    const site = await open(browser, f.site.url)
    await logIn(site.page)
    await site.page.getByText('Linked to the controller').waitFor()
    const card = controller.page.getByRole('article', { name: 'Site oslo' })
    await card.getByText('OK', { exact: true }).waitFor()

    const watched = await open(browser, f.controller.url)
    await logIn(watched.page)
    await watched.page.goto(`${f.controller.url}/hosts`)
    await watched.page.getByText(/^live, as of/).waitFor()
    await watched.page.getByRole('gridcell', { name: 'Up', exact: true }).first().waitFor()

    await f.site.stop()
    await card.getByText('Degraded', { exact: true }).waitFor()
    await card.getByText(/^Down/).waitFor()
    await card.getByText('when last heard').waitFor()
    // The view of hosts hears of it without being asked: nobody can vouch for them now.
    await watched.page.getByRole('gridcell', { name: 'Unknown', exact: true }).first().waitFor()
    await expect.poll(() => watched.page.getByRole('gridcell', { name: 'Up', exact: true }).count()).toBe(0)
    await controller.page.goto(`${f.controller.url}/hosts?q=name:${f.one}`)
    await controller.page.getByRole('row', { name: new RegExp(f.one) }).click()
    await controller.page.getByRole('button', { name: 'Detail from the site' }).click()
    await controller.page
      .getByRole('alert')
      .getByText(/Site oslo cannot be reached: its link has been down since/)
      .waitFor()
    await site.page.getByRole('alert').getByText('oslo does not answer.').waitFor()
    await site.page.getByText('It last said: OK').waitFor()

    await f.site.start()
    await site.page.getByText('Linked to the controller').waitFor()
    await controller.page.goto(f.controller.url)
    await card.getByText('OK', { exact: true }).waitFor()

    await f.controller.stop()
    await site.page.getByText('Operating independently since').waitFor()
    await controller.page.getByRole('alert').getByText('hq does not answer.').waitFor()
    await card.getByText('It last said: OK').waitFor()
    expect(await card.getByText('OK', { exact: true }).count()).toBe(0)
    await f.controller.start()
    await card.getByText('OK', { exact: true }).waitFor()
    await site.page.getByText('Linked to the controller').waitFor()
    expect([...controller.faults, ...site.faults, ...watched.faults]).toEqual([])
    await watched.page.context().close()
    await controller.page.context().close()
    await site.page.context().close()
  })

  test('after the logout nothing is left to see', async () => {
    const { page, faults } = await open(browser, f.controller.url)
    await logIn(page)
    await page.getByRole('article', { name: 'Site oslo' }).waitFor()
    await page.getByRole('button', { name: 'Logged in as admin' }).click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await page.getByLabel('Account').waitFor()
    expect(await page.getByText('oslo').count()).toBe(0)
    await page.reload()
    await page.getByLabel('Account').waitFor()
    expect(faults).toEqual([])
    await page.context().close()
  })
})
