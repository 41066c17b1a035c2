// The room: picture, call, people, figures, and its end.
import { accessible, halves, person, says, shoot, still, untilFrames } from './browser.mjs'
import { api, check, enter, expect, pages, world } from './harness.mjs'
import { LIVE, publish, VIDEO } from './stack.mjs'

export async function room() {
  await check('a link asks for a name once and waits for the picture', async () => {
    pages.jonas = await person(world.browser, 'jonas')
    await enter(pages.jonas, world.link, 'Jonas Weber')
    await says(pages.jonas, /Waiting for the picture/)
    expect(new URL(pages.jonas.url()).href, `${LIVE}/${world.room.slug}`, 'the address')
    await halves(pages.jonas)
    await accessible(pages.jonas)
    await shoot(pages.jonas, 'room-waiting')
    await pages.jonas.reload()
    await says(pages.jonas, /Waiting for the picture/)
  }, { needed: true })

  await check('the encoder starts and the picture comes by itself: 100 real frames', async () => {
    const { key } = await api('GET', `/rooms/${world.room.id}/ingest`)
    const from = Date.now()
    world.encoder = publish(key)
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    const first = Date.now() - from
    const seen = await untilFrames(pages.jonas, 100)
    await still(pages.jonas)
    await pages.jonas.mouse.move(300, 120)
    await shoot(pages.jonas, 'room-live')
    return `first frame after ${(first / 1000).toFixed(1)} s, ${seen} decoded`
  }, { needed: true })

  await check('a second person with the same link sees it too', async () => {
    pages.aiko = await person(world.browser, 'aiko', { size: [820, 1180] })
    await enter(pages.aiko, world.link, 'Aiko Tanaka')
    await pages.aiko.waitForSelector('.is-playing', { timeout: 20_000 })
    return `${await untilFrames(pages.aiko, 50)} decoded`
  }, { needed: true })

  await check('both join the call, each under their name', async () => {
    for (const who of ['jonas', 'aiko']) {
      const page = pages[who]
      await page.getByRole('button', { name: 'Join the call' }).click()
      await page.waitForSelector('iframe[title=Call]')
      expect(await page.evaluate(() => new URL(document.querySelector('iframe').src).origin), VIDEO, 'the frame')
      await page.frameLocator('iframe[title=Call]').getByText('joined', { exact: true }).waitFor({ timeout: 15_000 })
    }
    await pages.jonas.frameLocator('iframe[title=Call]').getByText('Aiko Tanaka').first().waitFor()
    await pages.aiko.frameLocator('iframe[title=Call]').getByText('Jonas Weber').first().waitFor()
    await pages.jonas.frameLocator('iframe[title=Call]').getByText('granted').first().waitFor()
    await pages.jonas.waitForTimeout(500)
    await shoot(pages.jonas, 'room-call')
    for (const who of ['jonas', 'aiko']) await accessible(pages[who])
    await still(pages.jonas)
  })

  await check('picture and call are half and half at desktop, tablet and phone sizes', async () => {
    for (const [width, height, name] of [[1440, 900, 'desktop'], [1920, 1080, 'large'], [820, 1180, 'tablet'], [390, 844, 'phone'], [360, 740, 'narrow']]) {
      await pages.jonas.setViewportSize({ width, height })
      await pages.jonas.mouse.move(width / 2, 60 + (width % 7))
      await pages.jonas.waitForTimeout(300)
      await halves(pages.jonas)
      await shoot(pages.jonas, `room-${name}`)
    }
    // Lying down the picture fills, and the call is one tap away.
    await pages.jonas.setViewportSize({ width: 844, height: 390 })
    await pages.jonas.waitForTimeout(300)
    const { height } = await pages.jonas.locator('[data-half=picture]').boundingBox()
    expect(height, 390, 'height of the picture on a phone that lies')
    await shoot(pages.jonas, 'room-lying')
    await pages.jonas.setViewportSize({ width: 1280, height: 800 })
    await halves(pages.aiko)
  })

  await check('who is here, and how many watch', async () => {
    await pages.jonas.mouse.move(300, 120)
    await pages.jonas.locator('[aria-label*="who is here"]').click()
    await says(pages.jonas, 'Aiko Tanaka')
    await pages.jonas.waitForTimeout(400)
    await shoot(pages.jonas, 'room-people')
    await pages.jonas.keyboard.press('Escape')
  })

  await check('is it them or me: three columns with real figures', async () => {
    await pages.jonas.mouse.move(300, 120)
    await pages.jonas.keyboard.press('i')
    await says(pages.jonas, /640 × 360/)
    await says(pages.jonas, /8-bit/)
    await pages.jonas.waitForTimeout(2500)
    await shoot(pages.jonas, 'room-quality')
    await accessible(pages.jonas)
    await pages.jonas.keyboard.press('Escape')
  })

  await check('the portal shows the room live, with two who watch', async () => {
    const page = pages.desk
    await says(page, /2 watching/, 15_000)
    await says(page, /sends by RTMP/)
    await page.evaluate(() => window.scrollTo(0, 0))
    await shoot(page, 'room-page-live')
    await accessible(page)
    const live = (await api('GET', `/rooms/${world.room.id}`)).live
    expect(live.publishers, 1, 'publishers')
    expect(live.callers, 2, 'callers')
  })
}

/** Closed, and opened again. */
export async function ending() {
  await check('closing names who is interrupted; both are told within a second', async () => {
    const page = pages.desk
    await page.getByRole('button', { name: 'More for this room' }).click()
    await page.getByRole('menuitem', { name: 'Close' }).click()
    await says(page.locator('dialog'), /Aiko Tanaka|Jonas Weber/)
    await page.waitForTimeout(300)
    await shoot(page, 'room-close')
    const told = Promise.all(['jonas', 'aiko'].map(async (who) => {
      await says(pages[who], 'The room is closed', 5000)
      return Date.now()
    }))
    // From the call to the controller on: what the click waits for is the browser's.
    const asked = page.waitForRequest((call) => call.method() === 'POST' && call.url().endsWith('/close')).then(() => Date.now())
    await page.getByRole('button', { name: 'Close the room' }).click()
    const from = await asked
    const times = (await told).map((at) => at - from)
    for (const who of ['jonas', 'aiko']) {
      expect(await pages[who].locator('video, iframe').count(), 0, 'what is left of picture and call')
    }
    await shoot(pages.jonas, 'room-closed')
    await accessible(pages.jonas)
    if (Math.max(...times) > 1000) throw new Error(`told after ${times.join(' and ')} ms`)
    return `told after ${times.join(' and ')} ms`
  })

  await check('the encoder of a closed room is cut off', async () => {
    const until = Date.now() + 10_000
    while (world.encoder.running() && Date.now() < until) await new Promise((done) => setTimeout(done, 100))
    if (world.encoder.running()) throw new Error('it still sends after 10 s')
  })

  await check('a room that opens again takes back those who stayed', async () => {
    await api('POST', `/rooms/${world.room.id}/open`)
    await says(pages.jonas, /Waiting for the picture/, 5000)
    const { key } = await api('GET', `/rooms/${world.room.id}/ingest`)
    world.encoder = publish(key)
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    return `${await untilFrames(pages.jonas, 25)} decoded`
  })
}
