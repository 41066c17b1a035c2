// The portal up to a room with its link: set-up, login, N and Enter.
import { accessible, person, says, shoot } from './browser.mjs'
import { api, check, expect, guest, pages, PASSWORD, world } from './harness.mjs'
import { LIVE } from './stack.mjs'

export async function desk() {
  await check('the set-up link makes the owner and leads into the portal', async () => {
    pages.desk = await person(world.browser, 'desk', { scheme: 'light' })
    const page = pages.desk
    await page.goto(world.stack.setup)
    await page.waitForSelector('[name=again]')
    expect(new URL(page.url()).hash, '', 'the fragment')
    await accessible(page)
    await shoot(page, 'setup')
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
    await shoot(page, 'room-new')
    await page.keyboard.press('Enter')
    await says(page, /is on your clipboard/)
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
