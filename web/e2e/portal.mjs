// The portal's other pages, against the stack as it really is.
import { accessible, complaints, says, shoot } from './browser.mjs'
import { check, pages } from './harness.mjs'
import { ADMIN } from './stack.mjs'

export async function portal() {
  await check('the pages of the portal: stack, logs, files, settings', async () => {
    const page = await pages.desk.context().newPage()
    pages.desk2 = page
    page.on('pageerror', (error) => complaints.push(`desk2: ${error.message}`))
    await page.goto(`${ADMIN}/stack`)
    await says(page, 'OvenMediaEngine')
    await says(page, 'Journal')
    await page.waitForTimeout(500)
    await accessible(page)
    await page.screenshot({ path: '.cache/e2e/stack.png', fullPage: true })
    await page.locator('button[aria-pressed]', { hasText: 'OvenMediaEngine' }).click()
    await says(page, 'Following.')
    await page.locator('button[aria-expanded]').first().click()
    await says(page, /No difference/)
    await page.waitForTimeout(300)
    await page.screenshot({ path: '.cache/e2e/stack-logs.png', fullPage: true })
    await page.goto(`${ADMIN}/settings`)
    await says(page, 'API tokens')
    await page.getByRole('button', { name: 'New token' }).click()
    await page.locator('dialog [name=name], form [name=name]').last().fill('Board')
    await page.getByRole('button', { name: 'Make token' }).click()
    await says(page, /shown only now/)
    await page.waitForTimeout(300)
    await accessible(page)
    await page.screenshot({ path: '.cache/e2e/settings.png', fullPage: true })
    delete pages.desk2
    await page.close()
  })

  await check('the preview in the portal plays, or says why not', async () => {
    const page = pages.desk
    await page.waitForFunction(() => !document.querySelector('dialog[open]'))
    await page.getByRole('button', { name: 'Show preview' }).click({ timeout: 15_000 })
    await page.locator('section', { hasText: 'Picture' }).locator('.picture-box, [role=status]').first().waitFor({ state: 'attached' })
    await page.waitForTimeout(1500)
    await shoot(page, 'room-preview')
    await page.getByRole('button', { name: 'Hide preview' }).click()
  })
}
