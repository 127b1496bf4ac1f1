import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, type Federation } from './federation'

const hosts = 120

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
    await card.getByText(/^\d+ of 120 matched hosts affected/).waitFor()
    expect(await barriers(page)).toEqual([])

    // "/" goes to the search box from anywhere.
    await page.keyboard.press('/')
    await page.getByText(`1–50 of ${hosts}`).waitFor()
    await page.getByRole('button', { name: 'Next' }).click()
    await page.getByText(`51–100 of ${hosts}`).waitFor()
    await page.getByRole('button', { name: 'Previous' }).click()
    await page.getByText(`1–50 of ${hosts}`).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('-00007')
    await page.getByText('1–1 of 1').waitFor()
    expect(new URL(page.url()).search).toBe('?q=-00007')
    expect(await barriers(page)).toEqual([])

    const name = page.getByRole('button', { name: /-00007$/ })
    await name.focus()
    await page.keyboard.press('Enter')
    const drawer = page.getByRole('dialog')
    await drawer.getByRole('heading', { name: /-00007$/ }).waitFor()
    await drawer.getByText('Debian GNU/Linux 12 (bookworm)').waitFor()
    expect(new URL(page.url()).searchParams.get('host')).toBeTruthy()

    await drawer.getByRole('button', { name: 'Detail from the site' }).click()
    await drawer.getByText(/^answered by oslo/).waitFor()
    await drawer.getByRole('tab', { name: /^Packages \d+/ }).click()
    await drawer.getByRole('table', { name: 'Packages' }).waitFor()
    await drawer.getByLabel('Filter packages').fill('libgnutls30')
    await drawer.getByRole('cell', { name: 'libgnutls30', exact: true }).waitFor()
    expect(await barriers(page)).toEqual([])

    // The address alone brings back the same view.
    await page.reload()
    await page
      .getByRole('dialog')
      .getByRole('heading', { name: /-00007$/ })
      .waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    expect(new URL(page.url()).search).toBe('?q=-00007')
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
      ['/hosts', `1–50 of ${hosts}`],
    ] as const) {
      await page.goto(f.controller.url + view)
      await shown(text)
      await fits(view)
    }
    await page
      .getByRole('button', { name: /-\d{5}$/ })
      .first()
      .tap()
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

    await f.site.stop()
    await card.getByText('Degraded', { exact: true }).waitFor()
    await card.getByText(/^Down/).waitFor()
    await card.getByText('when last heard').waitFor()
    await controller.page.goto(`${f.controller.url}/hosts?q=-00007`)
    await controller.page.getByRole('button', { name: /-00007$/ }).click()
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
    await site.page.getByText('Operating independently').waitFor()
    await controller.page.getByRole('alert').getByText('hq does not answer.').waitFor()
    await card.getByText('It last said: OK').waitFor()
    expect(await card.getByText('OK', { exact: true }).count()).toBe(0)
    await f.controller.start()
    await card.getByText('OK', { exact: true }).waitFor()
    await site.page.getByText('Linked to the controller').waitFor()
    expect([...controller.faults, ...site.faults]).toEqual([])
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
