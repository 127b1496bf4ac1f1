import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, run, type Federation } from './federation'

/** Where to put pictures of the views, for whoever wants to look at them; nowhere if it is not set. */
const pictures = process.env['PICTURES']

describe.skipIf(!haveBrowser())('from the controller', () => {
  let f: Federation
  let browser: Browser

  beforeAll(async () => {
    f = await federation(40)
    await run('alerts', 'rules', 'put', 'first', '--of-site', 'disk.free > 1k', '--config', f.site.config)
    await run('alerts', 'rules', 'put', 'second', '--of-site', 'disk.free > 1k', '--config', f.site.config)
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await f?.close()
  })

  test('all hosts are asked, alerts are looked after, and a site that is away is named', async () => {
    const { page, faults } = await open(browser, f.controller.url)
    const picture = async (name: string) => {
      if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true })
    }
    await logIn(page)
    await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Questions' }).click()
    await page.getByLabel('Package', { exact: true }).fill('openssl')
    await page.getByLabel('Version', { exact: true }).selectOption('ge')
    await page.getByLabel('This version').fill('1.0')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    const answer = page.getByRole('region', { name: 'Answer' })
    await answer.getByText('1 site answered').waitFor()
    expect(await answer.getByRole('table', { name: 'Packages' }).getByRole('row').count()).toBeGreaterThan(1)
    expect(new URL(page.url()).searchParams.get('op')).toBe('ge')
    expect(await barriers(page)).toEqual([])
    await picture('packages')

    await page.getByRole('tab', { name: 'Which certificates end soon?' }).click()
    await page.getByLabel('Within days').fill('400')
    await page.getByRole('button', { name: 'Ask', exact: true }).click()
    await answer.getByText('1 site answered').waitFor()
    expect(await barriers(page)).toEqual([])
    await picture('certificates')

    // An alert of the site, while that is there.
    const views = page.getByRole('navigation', { name: 'Views' })
    await views.getByRole('link', { name: /^Alerts/ }).click()
    await page.getByLabel('Site', { exact: true }).selectOption('oslo')
    const alert = page.getByRole('article', { name: 'first' })
    await alert.getByRole('button', { name: 'first' }).click()
    await alert.getByLabel('Note').fill('seen at HQ')
    await alert.getByRole('button', { name: 'Acknowledge' }).click()
    await alert.getByText('Acknowledged', { exact: true }).waitFor()
    await alert.getByText('Acknowledged by admin at the controller').waitFor()
    expect(await barriers(page)).toEqual([])
    await picture('acknowledged')

    // And while it is away.
    await f.site.stop()
    await page.reload()
    await page.getByText('The alerts of oslo cannot be shown now').waitFor()
    const newest = page.getByRole('region', { name: 'The newest alert' })
    await newest.getByRole('button', { name: 'Acknowledge' }).click()
    await newest.getByText(/the alert will be acknowledged when the site is back/).waitFor()
    expect(await barriers(page)).toEqual([])
    await picture('waiting')

    await page.goto(`${f.controller.url}/questions?name=openssl`)
    await page.getByRole('alert').getByText('This is not all: 1 of 1 site did not answer').waitFor()
    await page
      .getByRole('alert')
      .getByText(/Site oslo cannot be reached/)
      .waitFor()
    expect(await barriers(page)).toEqual([])
    await picture('partial')
    await page.setViewportSize({ width: 360, height: 740 })
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    await picture('narrow')
    expect(faults).toEqual([])
    await page.context().close()

    await f.site.start()
    await expect
      .poll(
        async () =>
          JSON.parse(await run('alerts', 'list', '--state', 'acknowledged', '-o', 'json', '--config', f.site.config))
            .alerts.length,
        { timeout: 30_000 },
      )
      .toBe(2)
  })

  test('a doubted clock is accepted, once somebody says that it is right', async () => {
    const { page, faults } = await open(browser, f.site.url)
    let judged = 'doubted'
    await page.route('**/api/v1/node/clock', async (route) => {
      if (route.request().method() === 'POST') judged = 'believed'
      const now = Date.now()
      const wall = new Date(judged === 'doubted' ? now + 40 * 86_400_000 : now).toISOString()
      await route.fulfill({ json: { now: new Date(now).toISOString(), wall, judged } })
    })
    await logIn(page)
    await page.getByText('This machine’s clock is doubted.').waitFor()
    expect(await barriers(page)).toEqual([])
    if (pictures) await page.screenshot({ path: `${pictures}/clock.png` })
    await page.getByRole('button', { name: 'Accept the clock…' }).click()
    const sure = page.getByRole('dialog', { name: 'Is this machine’s clock right?' })
    await sure.waitFor()
    expect(await barriers(page)).toEqual([])
    if (pictures) await page.screenshot({ path: `${pictures}/clock-sure.png` })
    await sure.getByRole('button', { name: 'It is right' }).click()
    await page.getByText('This machine’s clock is doubted.').waitFor({ state: 'detached' })
    expect(judged).toBe('believed')
    expect(faults).toEqual([])
    await page.context().close()
  })
})
