// People of the portal: their logins, passwords and roles.
import { accessible, person, says, shoot } from './browser.mjs'
import { api, check, expect, pages, PASSWORD, world } from './harness.mjs'
import { ADMIN } from './stack.mjs'

const dialog = () => pages.desk.locator('dialog')

async function logIn(name, password) {
  const page = await person(world.browser, name.toLowerCase(), { scheme: 'light' })
  await page.goto(`${ADMIN}/settings`)
  await page.fill('[name=name]', name)
  await page.fill('[name=password]', password)
  await page.getByRole('button', { name: 'Log in' }).click()
  return page
}

export async function account() {
  await check('another login is seen, and logged out once it was asked', async () => {
    const other = await logIn('Maya', PASSWORD)
    try {
      await says(other, 'Where you are logged in')
      const page = pages.desk
      await page.goto(`${ADMIN}/settings`)
      await page.getByRole('button', { name: /^Log out .+/ }).first().click()
      await says(dialog(), /has to log in again/)
      await dialog().getByRole('button', { name: 'Log it out' }).click()
      await says(page, 'That session is logged out')
      await other.reload()
      await says(other, 'Forgotten?')
    } finally {
      await other.context().close()
    }
  })

  await check('a password is changed, and the old one opens nothing', async () => {
    const page = pages.desk
    const change = async (from, to) => {
      await page.getByLabel('Current password').fill(from)
      await page.getByLabel('New password').fill(to)
      await page.getByRole('button', { name: 'Change password' }).click()
      await says(page, 'Password changed. Your other sessions are logged out')
    }
    await change(PASSWORD, 'another grey card entirely')
    const other = await logIn('Maya', PASSWORD)
    try {
      await other.getByRole('alert').first().waitFor()
    } finally {
      await other.context().close()
    }
    await page.goto(`${ADMIN}/settings`)
    await change('another grey card entirely', PASSWORD)
  })

  await check('somebody is added, given another role once it was asked, and removed', async () => {
    const page = pages.desk
    await page.getByRole('button', { name: 'Add somebody' }).click()
    await dialog().locator('[name=name]').fill('Theo')
    await dialog().locator('[name=password]').fill('a sentence of his own')
    await accessible(page)
    await dialog().getByRole('button', { name: 'Add', exact: true }).click()
    await says(page, 'Theo can log in now')
    const role = async () => (await api('GET', '/admins')).items.find((one) => one.name === 'Theo')?.role
    // An arrow key is no decision.
    await page.getByLabel('Role of Theo').selectOption('ops')
    await says(dialog(), 'Make Theo ops?')
    await accessible(page)
    await shoot(page, 'settings-role')
    await dialog().getByRole('button', { name: 'Cancel' }).click()
    expect(await role(), 'producer', 'the role of Theo')
    await page.getByLabel('Role of Theo').selectOption('ops')
    await dialog().getByRole('button', { name: 'Make ops' }).click()
    await says(page, 'Theo is now ops')
    expect(await role(), 'ops', 'the role of Theo')
    await page.getByRole('button', { name: 'Remove Theo' }).click()
    await dialog().getByRole('button', { name: 'Remove' }).click()
    await dialog().waitFor({ state: 'detached' })
    expect(await role(), undefined, 'the role of Theo')
  })
}
