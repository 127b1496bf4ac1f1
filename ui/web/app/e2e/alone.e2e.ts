import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, logIn, open } from './browser'
import { federation, run, type Federation } from './federation'

describe.skipIf(!haveBrowser())('a site that lives alone', () => {
  let f: Federation
  let browser: Browser

  beforeAll(async () => {
    f = await federation(40)
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    await f?.close()
  })

  test('says since when, and people look after its alerts there', async () => {
    await run(
      'alerts',
      'rules',
      'put',
      'old-system',
      'os:debian:12',
      '--severity',
      'warning',
      '--config',
      f.site.config,
    )
    const { page, faults } = await open(browser, f.site.url)
    await logIn(page)
    await page.getByText('Linked to the controller').waitFor()
    expect(await page.getByText('Operating independently').count()).toBe(0)

    await f.controller.stop()
    await page.getByText(/^Operating independently since /).waitFor()
    await page.getByText(/everything here works; .*(wait|waits) for the controller/).waitFor()
    expect(await barriers(page)).toEqual([])

    await page
      .getByRole('navigation', { name: 'Views' })
      .getByRole('link', { name: /^Alerts/ })
      .click()
    await page.getByLabel('Rule').fill('old-system')
    await page.keyboard.press('Enter')
    await expect.poll(() => new URL(page.url()).searchParams.get('rule')).toBe('old-system')
    const alert = page.getByRole('article', { name: 'old-system' }).filter({ hasText: f.one })
    await alert.getByText('Open', { exact: true }).waitFor()
    await alert.getByRole('button', { name: 'old-system' }).click()
    await alert.getByLabel('Note').fill('on my way')
    expect(await barriers(page)).toEqual([])
    await alert.getByRole('button', { name: 'Acknowledge' }).click()
    await alert.getByText('Acknowledged', { exact: true }).waitFor()
    await alert.getByRole('list', { name: 'History' }).getByText('on my way').waitFor()
    await alert.getByRole('button', { name: 'Resolve' }).click()
    await alert.waitFor({ state: 'detached' })
    await page.getByLabel('State').selectOption('resolved')
    await alert.getByText('Resolved', { exact: true }).waitFor()
    expect(new URL(page.url()).searchParams.get('state')).toBe('resolved')

    await page.goto(`${f.site.url}/alerts/rules`)
    await page.getByRole('button', { name: 'New rule' }).click()
    await page.getByLabel('Name').fill('wrong')
    await page.getByLabel('When a search finds a host').fill('statsu:up')
    await page.getByRole('button', { name: 'Make the rule' }).click()
    await page.getByRole('alert').getByText('There is no field "statsu"').waitFor()
    await page.getByRole('alert').getByText('^~~~~~').waitFor()
    expect(await barriers(page)).toEqual([])
    expect(faults).toEqual([])
    await page.context().close()
  })
})
