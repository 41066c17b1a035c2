// The portal up to a room with its link: set-up, login, N and Enter.
import { accessible, fits, person, says, shoot } from './browser.mjs'
import { api, check, expect, guest, pages, PASSWORD, world } from './harness.mjs'
import { LIVE } from './stack.mjs'

/** The same page at 360 px, for a moment. */
async function narrow(page, name) {
  await page.setViewportSize({ width: 360, height: 740 })
  await fits(page)
  await shoot(page, name)
  await page.setViewportSize({ width: 1280, height: 800 })
}

export async function desk() {
  await check('the set-up link makes the owner and leads into the portal', async () => {
    pages.desk = await person(world.browser, 'desk', { scheme: 'light' })
    const page = pages.desk
    await page.goto(world.stack.setup)
    await page.waitForSelector('[name=again]')
    expect(new URL(page.url()).hash, '', 'the fragment')
    await accessible(page)
    await shoot(page, 'setup')
    await narrow(page, 'setup-360')
    await page.fill('[name=name]', 'Maya')
    await page.fill('[name=password]', PASSWORD)
    await page.fill('[name=again]', PASSWORD)
    await page.getByRole('button', { name: 'Begin' }).click()
    await says(page, 'No rooms yet')
    await accessible(page)
    await shoot(page, 'rooms-empty')
  }, { needed: true })

  await check('the set-up link works once', () =>
    guest('setup-again', async (page) => {
      await page.goto(world.stack.setup)
      await page.waitForSelector('[name=again], [name=password]')
      if ((await page.locator('[name=again]').count()) === 0) return
      await page.fill('[name=name]', 'Mallory')
      await page.fill('[name=password]', PASSWORD)
      await page.fill('[name=again]', PASSWORD)
      await page.getByRole('button', { name: 'Begin' }).click()
      await page.getByRole('alert').first().waitFor()
    }))

  await check('a wrong password is refused, the right one lets in', async () => {
    const page = pages.desk
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.waitForSelector('[name=password]')
    await accessible(page)
    await shoot(page, 'login')
    await narrow(page, 'login-360')
    await page.fill('[name=name]', 'Maya')
    await page.fill('[name=password]', 'not this one at all')
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('alert').first().waitFor()
    await shoot(page, 'login-wrong')
    await page.fill('[name=password]', PASSWORD)
    await page.getByRole('button', { name: 'Log in' }).click()
    await says(page, 'No rooms yet')
  }, { needed: true })

  await check('N, a title and Enter make a room with its link on the clipboard', async () => {
    const page = pages.desk
    await page.keyboard.press('n')
    await page.keyboard.type('Northlight – reel 3')
    await accessible(page)
    await shoot(page, 'room-new')
    await page.getByRole('button', { name: 'More', exact: true }).click()
    expect(await page.evaluate(() => document.activeElement.name), 'slug', 'the field that has the focus')
    await says(page.locator('dialog'), 'Allowed addresses')
    await accessible(page)
    await shoot(page, 'room-new-more')
    // A press beside it loses nothing of what was typed.
    await page.mouse.click(20, 400)
    await page.locator('dialog [name=title]').focus()
    await page.keyboard.press('Enter')
    await says(page, /The viewer link is on your clipboard/)
    world.link = await page.evaluate(() => navigator.clipboard.readText())
    if (!world.link.startsWith(`${LIVE}/j#`)) throw new Error(`the clipboard holds ${world.link}`)
    world.room = (await api('GET', '/rooms')).items[0]
    expect(world.room.title, 'Northlight – reel 3', 'the title')
    expect(new URL(page.url()).pathname, `/rooms/${world.room.id}`, 'the page')
    await page.waitForTimeout(300)
    await accessible(page)
    await shoot(page, 'room-made')
  }, { needed: true })
}
