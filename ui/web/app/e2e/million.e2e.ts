import { describe, expect, test } from 'vitest'
import { barriers, haveBrowser } from './browser'
import { directory, done, grid, million, q, row } from './million'

describe.skipIf(!haveBrowser())('the directory of a million hosts', () => {
  const d = directory()
  const { hosts, name } = d
  const pages = () => d.p.asked.filter((a) => a.startsWith('/api/v1/hosts?') || a === '/api/v1/hosts')

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
    expect(new URL(page.url()).searchParams.get('host')).toBe(d.p.host(0).id)
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
    await page.goto(`${d.p.url}/hosts?cols=name,status,site,os,ip,critical,high,updates,seen,kernel,tag`)
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

  test('changes show in their places, and what would move waits for a refresh', async () => {
    const opened = await hosts()
    const { page } = opened
    await page.getByText('live, as of').waitFor()
    d.p.tell('change', { host: { ...d.p.host(2), status: 'down' } })
    await row(page, 2).getByText('Down').waitFor()
    d.p.tell('leave', { id: d.p.host(4).id })
    d.p.tell('total', { total: million - 1, as_of: new Date().toISOString() })
    await page.getByText('999,999 hosts').waitFor()
    const chip = page.getByRole('button', { name: '1 change, refresh' })
    await chip.waitFor()
    await row(page, 4).getByText(name(4)).waitFor()
    expect(await barriers(page)).toEqual([])
    d.p.changes.set(4, { hostname: 'bergen-app-000004b' })
    await chip.click()
    await row(page, 4).getByText('bergen-app-000004b').waitFor()
    await chip.waitFor({ state: 'detached' })
    d.p.changes.set(5, { status: 'late' })
    d.p.tell('reset', { reason: 'more changed than can be told' })
    await row(page, 5).getByText('Late').waitFor()
    d.p.changes.clear()
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
    // Each host stays within its row, and is not printed over the next.
    const beyond = await page.evaluate(() =>
      [...document.querySelectorAll('[id^=host-row-]')].flatMap((row) => {
        const end = row.getBoundingClientRect().bottom
        const range = document.createRange()
        return [...row.querySelectorAll('[role=gridcell]')].flatMap((cell) => {
          range.selectNodeContents(cell)
          return range.getBoundingClientRect().bottom > end ? [cell.textContent] : []
        })
      }),
    )
    expect(beyond).toEqual([])
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
