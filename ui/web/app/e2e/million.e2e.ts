import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { barriers, haveBrowser, launch, open } from './browser'
import { pretend, type Pretender } from './pretend'

const million = 1_000_000

describe.skipIf(!haveBrowser())('the directory of a million hosts', () => {
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

  async function hosts(search = '', options = {}) {
    const opened = await open(browser, p.url, options)
    await opened.page.goto(`${p.url}/hosts${search}`)
    await opened.page.getByText(/ in 1\.2 ms/).waitFor()
    return opened
  }
  const done = async ({ page, faults }: { page: Page; faults: string[] }) => {
    expect(faults).toEqual([])
    await page.context().close()
  }
  const grid = (page: Page) => page.getByRole('grid', { name: 'Hosts' })
  const row = (page: Page, i: number) => page.locator(`#host-row-${i}`)
  const q = (page: Page) => new URL(page.url()).searchParams.get('q')
  const name = (i: number) => p.host(i).hostname
  const pages = () => p.asked.filter((a) => a.startsWith('/api/v1/hosts?') || a === '/api/v1/hosts')

  test('shows its beginning, its count and its time, draws few rows and moves nothing while it loads', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByText('1,000,000 hosts in 1.2 ms').waitFor()
    await row(page, 0).getByText(name(0)).waitFor()
    expect(await grid(page).getAttribute('aria-rowcount')).toBe(String(million + 1))
    expect(await page.getByRole('row').count()).toBeLessThan(80)
    expect(await barriers(page)).toEqual([])
    const shift = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let sum = 0
          new PerformanceObserver((list) => {
            for (const e of list.getEntries()) sum += (e as unknown as { value: number }).value
          }).observe({ type: 'layout-shift', buffered: true })
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)))
        }),
    )
    expect(shift).toBeLessThan(0.01)
    await done(opened)
  })

  test('is walked by keys from one end to the other', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('ArrowDown')
    expect(await grid(page).getAttribute('aria-activedescendant')).toBe('host-row-2')
    await page.keyboard.press('End')
    await row(page, million - 1)
      .getByText(name(million - 1))
      .waitFor()
    await page.keyboard.press('k')
    await page.keyboard.press('PageUp')
    expect(await grid(page).getAttribute('aria-activedescendant')).toMatch(/^host-row-9999\d\d$/)
    await page.keyboard.press('Home')
    await row(page, 0).getByText(name(0)).waitFor()
    // The first pages, a landing with what stood before it, and no page for what was passed over.
    expect(pages().length).toBeLessThan(8)
    await page.keyboard.press('Enter')
    await page
      .getByRole('dialog')
      .getByRole('heading', { name: name(0) })
      .waitFor()
    expect(new URL(page.url()).searchParams.get('host')).toBe(p.host(0).id)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    await page.keyboard.press('Escape')
    await done(opened)
  })

  test('keys move through the hosts where nothing has the focus, and there is nothing below the page', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByRole('button', { name: 'Show more' }).first().waitFor()
    const below = () =>
      page.evaluate(() => document.documentElement.scrollHeight - document.documentElement.clientHeight)
    expect(await below()).toBeLessThanOrEqual(0)
    await page.keyboard.press('End')
    await row(page, million - 1)
      .getByText(name(million - 1))
      .waitFor()
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())
    await page.keyboard.press('Home')
    await row(page, 0).getByText(name(0)).waitFor()
    await page.keyboard.press('PageDown')
    expect(await grid(page).getAttribute('aria-activedescendant')).not.toBe('host-row-0')
    expect(await page.evaluate(() => window.scrollY)).toBe(0)
    await done(opened)
  })

  test('the search box has the keys again as soon as the drawer is closed', async () => {
    const opened = await hosts()
    const { page } = opened
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('j')
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').getByRole('heading', { level: 2 }).first().waitFor()
      await page.keyboard.press('Escape')
      await page.keyboard.press('/')
      await page.keyboard.type('oslo')
      expect(await page.getByLabel('Search hosts').inputValue()).toBe('oslo')
      await page.getByRole('button', { name: 'Clear the search' }).click()
      await page.getByText('1,000,000 hosts').waitFor()
      await page.getByLabel('Search hosts').press('Escape')
    }
    await done(opened)
  })

  test('the usual columns fit into the window, and those that do not are told of', async () => {
    const opened = await hosts()
    const { page } = opened
    const heads = () => page.getByRole('columnheader').allTextContents()
    const over = () => grid(page).evaluate((g) => g.scrollWidth - g.clientWidth)
    await row(page, 0).getByText(name(0)).waitFor()
    expect(await heads()).toEqual(['', 'Host', 'Status', 'Site', 'System', 'Critical', 'High', 'Updates', 'Last seen'])
    expect(await over()).toBe(0)
    await page.getByRole('button', { name: 'Columns' }).click()
    await page.getByText('No room here for Address').waitFor()
    await page.keyboard.press('Escape')
    await page.setViewportSize({ width: 1700, height: 860 })
    await page.getByRole('columnheader', { name: 'Address' }).waitFor()
    expect(await over()).toBe(0)
    const left = (name: string) => page.evaluate((of) => document.querySelector(of)!.getBoundingClientRect().left, name)
    expect(await left('header a[aria-label]')).toBe(await left('[role=search]'))
    await page.setViewportSize({ width: 1280, height: 860 })
    await page.goto(`${p.url}/hosts?cols=name,status,site,os,ip,critical,high,updates,seen,kernel,tag`)
    const more = page.getByRole('button', { name: /more columns to the right: .*Kernel, Tags$/ })
    await more.waitFor()
    expect(await barriers(page)).toEqual([])
    await more.click()
    await page.getByRole('button', { name: /to the left: Host/ }).waitFor()
    await done(opened)
  })

  test('a pull of the bar lands where it stands, and the wheel goes on from there row by row', async () => {
    const opened = await hosts()
    const { page } = opened
    const first = () =>
      page.evaluate(() => {
        const g = document.getElementById('hosts')!
        const top = g.getBoundingClientRect().top + 40
        const rows = [...g.querySelectorAll('[id^=host-row-]')].filter((r) => r.getBoundingClientRect().bottom > top)
        return { row: Number(rows[0]!.id.slice(9)), y: rows[0]!.getBoundingClientRect().top, bar: g.scrollTop }
      })
    await page.evaluate(() => {
      const g = document.getElementById('hosts')!
      g.scrollTop = g.scrollHeight / 2
    })
    await page.waitForFunction(() =>
      /^(?!being read).*-\d{6}/.test(document.querySelector('[id^=host-row-]')?.textContent ?? ''),
    )
    const landed = await first()
    expect(Math.abs(landed.row - million / 2)).toBeLessThan(100)
    await row(page, landed.row).getByText(name(landed.row)).waitFor()

    await grid(page).hover()
    await page.mouse.wheel(0, 720)
    await page.waitForFunction((bar) => document.getElementById('hosts')!.scrollTop !== bar, landed.bar)
    await expect.poll(async () => (await first()).row).toBe(landed.row + 20)
    // When it rests the bar goes to where it belongs, and no row moves.
    const rested = await first()
    await expect.poll(async () => (await first()).bar).toBeLessThan(landed.bar + 300)
    const after = await first()
    expect(after.row).toBe(rested.row)
    expect(Math.abs(after.y - rested.y)).toBeLessThanOrEqual(1)
    await done(opened)
  })

  test('a selection outlives scrolling, ordering and filtering', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.keyboard.press('End')
    await row(page, million - 1)
      .getByText(name(million - 1))
      .waitFor()
    await page.keyboard.press('x')
    const bar = page.getByRole('group', { name: 'Selection' })
    await bar.getByText('2 selected').waitFor()
    await page.getByRole('columnheader', { name: 'Host' }).getByRole('button').click()
    await row(page, 0)
      .getByText(name(million - 1))
      .waitFor()
    expect(await row(page, 0).getAttribute('aria-selected')).toBe('true')
    expect(new URL(page.url()).searchParams.get('sort')).toBe('-name')
    await page.getByLabel('Search hosts').fill('status:down')
    await page
      .getByRole('status')
      .getByText(/^3\d,\d{3} hosts$/)
      .waitFor()
    await bar.getByText('2 selected').waitFor()

    await bar.getByRole('button', { name: /^Select all/ }).click()
    await bar.getByText(/all of status:down/).waitFor()
    expect(await row(page, 3).getAttribute('aria-selected')).toBe('true')
    await row(page, 3).getByRole('checkbox').click()
    await bar.getByText(/but 1/).waitFor()
    // Under another search nobody can tell which rows are meant, so none can be changed.
    await page.getByLabel('Search hosts').fill('site:oslo')
    await page.getByRole('status').getByText('100,000 hosts').waitFor()
    expect(await row(page, 0).getByRole('checkbox').isDisabled()).toBe(true)
    await bar.getByRole('button', { name: 'Show them' }).click()
    await page
      .getByRole('status')
      .getByText(/^3\d,\d{3} hosts$/)
      .waitFor()
    expect(q(page)).toMatch(/^\(status:down\) -id:/)
    await bar.getByRole('button', { name: 'Clear' }).click()
    await bar.waitFor({ state: 'detached' })
    await done(opened)
  })

  test('Shift selects all rows between two, seen or not', async () => {
    const opened = await hosts()
    const { page } = opened
    const bar = page.getByRole('group', { name: 'Selection' })
    await row(page, 2).getByRole('checkbox').click()
    await row(page, 7)
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] })
    await bar.getByText('6 selected').waitFor()
    await row(page, 5)
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] })
    await bar.getByText('3 selected').waitFor()
    expect(await row(page, 4).getAttribute('aria-selected')).toBe('true')
    expect(await row(page, 6).getAttribute('aria-selected')).toBe('false')
    await bar.getByRole('button', { name: 'Clear' }).click()

    // From a row to one far below; most of those between were never read.
    await row(page, 1).getByRole('checkbox').click()
    await page.evaluate(() => (document.getElementById('hosts')!.scrollTop = 3000 * 36))
    await row(page, 3005).getByText(name(3005)).waitFor()
    await row(page, 3005)
      .getByRole('checkbox')
      .click({ modifiers: ['Shift'] })
    await bar.getByText('3,005 selected').waitFor()
    await bar.getByRole('button', { name: 'Clear' }).click()
    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.keyboard.press('j')
    await page.keyboard.press('j')
    await page.keyboard.press('Shift+X')
    await bar.getByText('3 selected').waitFor()
    await page.keyboard.press('End')
    await row(page, million - 1)
      .getByText(name(million - 1))
      .waitFor()
    await page.keyboard.press('Shift+X')
    await page
      .getByRole('alert')
      .getByText(/more than the 5,000 that can be selected at one stroke/)
      .waitFor()
    await bar.getByText('3 selected').waitFor()
    await done(opened)
  })

  test('a facet is asked for, ruled out and taken back by clicks', async () => {
    const opened = await hosts()
    const { page } = opened
    const side = page.getByRole('complementary', { name: 'Filters' })
    await side.getByRole('button', { name: /^down/ }).click()
    await page
      .getByRole('status')
      .getByText(/^3\d,\d{3} hosts$/)
      .waitFor()
    expect(q(page)).toBe('status:down')
    expect(await page.getByLabel('Search hosts').inputValue()).toBe('status:down')
    await side.getByRole('button', { name: /^late/ }).click()
    await expect.poll(() => q(page)).toBe('status:down,late')
    await side.getByRole('button', { name: /^oslo/ }).click({ modifiers: ['Shift'] })
    await expect.poll(() => q(page)).toBe('status:down,late -site:oslo')
    await side.getByRole('button', { name: /^down/, pressed: true }).click()
    await expect.poll(() => q(page)).toBe('status:late -site:oslo')
    await side.getByRole('button', { name: /^ruled out: oslo/ }).click()
    await expect.poll(() => q(page)).toBe('status:late')
    expect(await barriers(page)).toEqual([])
    await side.getByRole('button', { name: /^Site/ }).click()
    await side.getByRole('button', { name: /^Show more/ }).click()
    expect(new URL(page.url()).searchParams.get('shut')).toBe('site')
    expect(new URL(page.url()).searchParams.get('more')).toBe('tag')
    await page.reload()
    await side.getByRole('button', { name: 'Show fewer' }).waitFor()
    expect(await side.getByRole('button', { name: /^Site/ }).getAttribute('aria-expanded')).toBe('false')
    await done(opened)
  })

  test('the box completes fields and values by keys', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.keyboard.press('/')
    const box = page.getByLabel('Search hosts')
    await page.keyboard.press('Control+Space')
    const list = page.getByRole('listbox', { name: 'Completions' })
    await list.getByRole('option', { name: /^tag:/ }).waitFor()
    await page.keyboard.type('s')
    await page.keyboard.press('Escape')
    await list.waitFor({ state: 'detached' })
    await page.keyboard.type('ta')
    await list.getByRole('option', { name: /^status:/ }).waitFor()
    expect(await barriers(page)).toEqual([])
    await page.keyboard.press('Tab')
    expect(await box.inputValue()).toBe('status:')
    await list.getByRole('option', { name: /^down/ }).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    expect(await box.inputValue()).toBe('status:down ')
    await page
      .getByRole('status')
      .getByText(/^3\d,\d{3} hosts$/)
      .waitFor()
    expect(q(page)).toBe('status:down')
    await page.keyboard.press('Escape')
    expect(await grid(page).evaluate((g) => g === document.activeElement)).toBe(true)
    await done(opened)
  })

  test('without a search that can be read, what was read last stays, and stands for nothing', async () => {
    const opened = await hosts('?q=status:down')
    const { page } = opened
    const count = page.getByRole('status').getByText(/^[\d,]+ hosts?$/)
    const side = page.getByRole('complementary', { name: 'Filters' })
    const stands = async (rows: string) => {
      await expect.poll(() => count.count()).toBe(0)
      expect(await page.getByText('live, as of').count()).toBe(0)
      expect(await page.getByRole('button', { name: 'Export' }).isDisabled()).toBe(true)
      await expect.poll(() => side.locator('[inert]').count()).toBe(1)
      expect(await grid(page).getAttribute('aria-busy')).toBe('true')
      expect(await grid(page).getAttribute('aria-rowcount')).toBe(rows)
      await page.getByRole('button', { name: 'Saved' }).click()
      await page.getByLabel(/^Save this search/).fill('x')
      expect(await page.getByRole('button', { name: 'Save', exact: true }).isDisabled()).toBe(true)
      await page.keyboard.press('Escape')
      expect(await barriers(page)).toEqual([])
    }
    await count.waitFor()
    const rows = (await grid(page).getAttribute('aria-rowcount'))!
    const box = page.getByLabel('Search hosts')
    await box.fill('status:down site:')
    await page.getByText('This search goes on.').waitFor()
    await stands(rows)
    await box.press('Enter')
    await page.getByRole('alert').waitFor()
    await stands(rows)
    await box.fill('status:down statsu:up')
    await page.getByRole('alert').getByText('There is no field "statsu"').waitFor()
    await stands(rows)
    // A page that begins with such a search behaves alike, over every host.
    await page.reload()
    await page.getByText('Below is every host.').waitFor()
    await stands(String(million + 1))
    await page.getByRole('button', { name: 'status', exact: true }).click()
    await count.waitFor()
    expect(await page.getByRole('button', { name: 'Export' }).isEnabled()).toBe(true)
    await done(opened)
  })

  test('an order that there is not is told of, and the order is by name', async () => {
    const opened = await hosts('?sort=-bogus&q=site:oslo')
    const { page } = opened
    await page.getByText('There is no order “-bogus”').waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
    const head = page.getByRole('columnheader', { name: 'Host', exact: true })
    expect(await head.getAttribute('aria-sort')).toBe('ascending')
    expect(await barriers(page)).toEqual([])
    await page.getByRole('columnheader', { name: 'Last seen' }).getByRole('button').click()
    await page.getByText('There is no order').waitFor({ state: 'detached' })
    await page.goto(`${p.url}/hosts?sort=-last_seen`)
    await expect
      .poll(() => page.getByRole('columnheader', { name: 'Last seen' }).getAttribute('aria-sort'))
      .toBe('descending')
    await done(opened)
  })

  test('what may be a slip is remarked and mended with a click, and how a search is read is said', async () => {
    const opened = await hosts('?q=STATUS=down ü site:olso')
    const { page } = opened
    await page.getByText('No host and no site has site:olso. Did you mean').waitFor()
    expect(await page.locator('mark').textContent()).toBe('olso')
    expect(await page.getByLabel('Search hosts').getAttribute('aria-invalid')).toBeNull()
    await page.getByText('read as status:down ü site:olso').waitFor()
    expect(await barriers(page)).toEqual([])
    await page.getByRole('button', { name: 'oslo', exact: true }).click()
    await expect.poll(() => q(page)).toBe('STATUS=down ü site:oslo')
    await page.getByText('Did you mean').waitFor({ state: 'detached' })
    await page.getByLabel('Search hosts').fill('status:down  site:oslo')
    await page.getByText('read as').waitFor({ state: 'detached' })
    await done(opened)
  })

  test('what is counted at the side follows the count of the hosts', async () => {
    const opened = await hosts('?q=site:oslo')
    const { page } = opened
    await page.getByText('live, as of').waitFor()
    const facets = () => p.asked.filter((a) => a.startsWith('/api/v1/hosts/facets?q=site:oslo')).length
    await expect.poll(facets).toBe(1)
    for (let i = 1; i <= 5; i++) p.tell('total', { total: 100_000 + i, as_of: new Date().toISOString() })
    await page.getByText('100,005 hosts').waitFor()
    // Much sooner than they are counted anyway, and not once for every change.
    await expect.poll(facets, { timeout: 5000 }).toBe(2)
    await done(opened)
  })

  test('the way back leads to each search, and typing is one step', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByRole('columnheader', { name: 'Last seen' }).getByRole('button').click()
    await page.getByLabel('Search hosts').fill('status:down')
    await expect.poll(() => q(page)).toBe('status:down')
    await page.getByRole('button', { name: 'Columns' }).click()
    await page.getByRole('dialog', { name: 'Columns' }).getByRole('checkbox', { name: 'Kernel' }).check()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByLabel(/^Save this search/).fill('Down Now!')
    await page.getByText('It will be called down-now').waitFor()
    expect(await page.getByLabel(/^Save this search/).inputValue()).toBe('Down Now!')
    await page.keyboard.press('Enter')
    await page.getByText('Saved as down-now').waitFor()
    await page.keyboard.press('Escape')

    await page.goto(`${p.url}/hosts`)
    await page.getByText('1,000,000 hosts').waitFor()
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByRole('button', { name: /^down-now/ }).click()
    await expect.poll(() => q(page)).toBe('status:down')
    const applied = page.url()
    expect(applied).toMatch(/sort=-seen.*kernel|kernel.*sort=-seen/)
    await page.getByLabel('Search hosts').click()
    for (const more of [' site:oslo', ' tag:pci']) {
      await page.keyboard.type(more)
      await expect.poll(() => q(page)?.endsWith(more)).toBe(true)
    }
    await page.goBack()
    expect(page.url()).toBe(applied)
    expect(await page.getByLabel('Search hosts').inputValue()).toBe('status:down')
    const side = page.getByRole('complementary', { name: 'Filters' })
    await side.getByRole('button', { name: /^oslo/ }).click()
    await expect.poll(() => q(page)).toBe('status:down site:oslo')
    await page.goBack()
    expect(page.url()).toBe(applied)
    await page.goBack()
    expect(q(page)).toBeNull()
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByRole('button', { name: 'Delete down-now' }).click()
    await page.getByRole('button', { name: 'Delete down-now for everybody' }).click()
    await page.getByText('No search is saved yet.').waitFor()
    await done(opened)
  })

  test('what cannot be read is underlined where it is wrong, and mended with a click', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByLabel('Search hosts').fill('ü statsu:down')
    await page.keyboard.press('Enter')
    const alert = page.getByRole('alert')
    await alert.getByText(/There is no field "statsu"/).waitFor()
    await page.getByText('Did you mean').waitFor()
    expect(await page.locator('mark').textContent()).toBe('statsu')
    expect(await page.getByLabel('Search hosts').getAttribute('aria-invalid')).toBe('true')
    await row(page, 0).getByText(name(0)).waitFor()
    expect(await barriers(page)).toEqual([])
    await page.getByRole('button', { name: 'status', exact: true }).click()
    await alert.waitFor({ state: 'detached' })
    expect(q(page)).toBe('ü status:down')
    await done(opened)
  })

  test('changes show in their places, and what would move waits for a refresh', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByText('live, as of').waitFor()
    p.tell('change', { host: { ...p.host(2), status: 'down' } })
    await row(page, 2).getByText('Down').waitFor()
    p.tell('leave', { id: p.host(4).id })
    p.tell('total', { total: million - 1, as_of: new Date().toISOString() })
    await page.getByText('999,999 hosts').waitFor()
    const chip = page.getByRole('button', { name: '1 change, refresh' })
    await chip.waitFor()
    await row(page, 4).getByText(name(4)).waitFor()
    expect(await barriers(page)).toEqual([])
    p.changes.set(4, { hostname: 'bergen-app-000004b' })
    await chip.click()
    await row(page, 4).getByText('bergen-app-000004b').waitFor()
    await chip.waitFor({ state: 'detached' })
    p.changes.set(5, { status: 'late' })
    p.tell('reset', { reason: 'more changed than can be told' })
    await row(page, 5).getByText('Late').waitFor()
    p.changes.clear()
    await done(opened)
  })

  test('columns are chosen and put in order, and the address brings everything back', async () => {
    const opened = await hosts('?q=site:oslo&sort=-critical')
    const { page } = opened
    const heads = () => page.getByRole('columnheader').allTextContents()
    await page.getByRole('button', { name: 'Columns' }).click()
    const panel = page.getByRole('dialog', { name: 'Columns' })
    expect(await barriers(page)).toEqual([])
    await panel.getByRole('checkbox', { name: 'Kernel' }).check()
    for (const c of ['Site', 'Critical', 'High', 'Updates', 'Last seen'])
      await panel.getByRole('checkbox', { name: c, exact: true }).uncheck()
    await panel.getByRole('button', { name: 'Move Kernel forward' }).click()
    await expect.poll(heads).toEqual(['', 'Host', 'Status', 'Kernel', 'System'])
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'detached' })
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByRole('heading', { level: 2 }).first().waitFor()
    const address = page.url()
    await page.goto('about:blank')
    await page.goto(address)
    await page.getByRole('dialog').getByRole('heading', { level: 2 }).first().waitFor()
    await page.keyboard.press('Escape')
    expect(await heads()).toEqual(['', 'Host', 'Status', 'Kernel', 'System'])
    expect(q(page)).toBe('site:oslo')
    await done(opened)
  })

  test('a search is saved, opened and deleted; a selection becomes a file', async () => {
    const opened = await hosts('?q=status:down')
    const { page } = opened
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByLabel(/^Save this search/).fill('Down Now')
    await page.keyboard.press('Enter')
    await page.getByText('Saved as down-now').waitFor()
    expect(await barriers(page)).toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Clear the search' }).click()
    await page.getByText('1,000,000 hosts').waitFor()
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByRole('button', { name: /^down-now/ }).click()
    await page
      .getByRole('status')
      .getByText(/^3\d,\d{3} hosts$/)
      .waitFor()
    await page.getByRole('button', { name: 'Saved' }).click()
    await page.getByRole('button', { name: 'Delete down-now' }).click()
    await page.getByRole('button', { name: 'Delete down-now for everybody' }).click()
    await page.getByText('No search is saved yet.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })

    await page.keyboard.press('j')
    await page.keyboard.press('x')
    await page.getByText('1 selected').waitFor()
    await page.getByRole('button', { name: 'Export' }).click()
    const link = page.getByRole('menuitem', { name: 'CSV, selected only' })
    expect(await link.getAttribute('href')).toMatch(
      /\/api\/v1\/hosts\/export\?q=id%3A[0-9a-f-]{36}&format=csv&columns=name/,
    )
    const [file] = await Promise.all([page.waitForEvent('download'), link.click()])
    expect(file.suggestedFilename()).toBe('selected.csv')
    await done(opened)
  })

  test('fits a phone, in the dark', async () => {
    const opened = await hosts('?q=status:down', {
      viewport: { width: 390, height: 844 },
      colorScheme: 'dark',
      hasTouch: true,
      isMobile: true,
    })
    const { page } = opened
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(over).toBeLessThanOrEqual(0)
    expect(await barriers(page)).toEqual([])
    await page.getByRole('button', { name: 'Filters' }).tap()
    const drawer = page.getByRole('dialog', { name: 'Filters' })
    await drawer.getByRole('button', { name: 'Rule out oslo' }).tap()
    await expect.poll(() => q(page)).toBe('status:down -site:oslo')
    expect(await barriers(page)).toEqual([])
    await page.keyboard.press('Escape')
    await drawer.waitFor({ state: 'detached' })
    await row(page, 0).getByRole('checkbox').tap()
    await page.getByText('1 selected').waitFor()
    await row(page, 1).tap()
    await page.getByRole('dialog').getByRole('heading', { level: 2 }).first().waitFor()
    await done(opened)
  })
})
