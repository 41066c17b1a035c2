// The room: picture, call, people, figures, and its end.
import { accessible, bar, greys, halves, person, press, says, shoot, still, untilFrames } from './browser.mjs'
import { api, check, enter, expect, pages, until, world } from './harness.mjs'
import { ADMIN, LIVE, publish, VIDEO } from './stack.mjs'

export async function room() {
  await check('a link asks for a name once and waits for the picture', async () => {
    pages.jonas = await person(world.browser, 'jonas')
    await pages.jonas.goto(world.link)
    await says(pages.jonas, 'Maya invites you to')
    await accessible(pages.jonas)
    await greys(pages.jonas)
    await shoot(pages.jonas, 'name-form')
    await enter(pages.jonas, null, 'Jonas Weber')
    await says(pages.jonas, /Waiting for the picture/)
    expect(new URL(pages.jonas.url()).href, `${LIVE}/${world.room.slug}`, 'the address')
    await halves(pages.jonas)
    await accessible(pages.jonas)
    await greys(pages.jonas)
    await shoot(pages.jonas, 'room-waiting')
    await pages.jonas.reload()
    await says(pages.jonas, /Waiting for the picture/)
  }, { needed: true })

  await check('the encoder starts and the picture comes by itself: 100 real frames', async () => {
    const { key } = await api('GET', `/rooms/${world.room.id}/ingest`)
    const from = Date.now()
    world.encoder = publish(key, { seconds: 1500 })
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    const first = Date.now() - from
    const seen = await untilFrames(pages.jonas, 100)
    await still(pages.jonas)
    await pages.jonas.mouse.move(300, 120)
    await greys(pages.jonas)
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
    await bar(pages.jonas, false)
    await shoot(pages.jonas, 'room-call')
    for (const who of ['jonas', 'aiko']) await accessible(pages[who])
    await still(pages.jonas)
  })

  await check('picture and call are half and half at desktop, tablet and phone sizes', async () => {
    const page = pages.jonas
    await page.keyboard.press('m')
    for (const [width, height, name] of [[1920, 1080, 'large'], [820, 1180, 'tablet'], [390, 844, 'phone'], [360, 740, 'narrow'], [1440, 900, 'desktop']]) {
      await page.setViewportSize({ width, height })
      await page.mouse.move(width / 2, 60 + (width % 7))
      await bar(page, true)
      await page.waitForTimeout(300)
      await halves(page)
      if (name === 'phone') await accessible(page)
      // Nothing of ours lies over the picture that is shown.
      await bar(page, false)
      await page.waitForTimeout(300)
      await shoot(page, `room-${name}`)
    }
    await page.setViewportSize({ width: 1280, height: 800 })
    await page.keyboard.press('m')
    await halves(pages.aiko)
  }, { within: 90_000 })

  await check('a phone that lies: the picture fills, the call and the sound are one tap away', async () => {
    const page = pages.jonas
    await page.setViewportSize({ width: 844, height: 390 })
    await page.mouse.move(300, 120)
    await page.waitForTimeout(300)
    const tall = async (half) => (await page.locator(`[data-half=${half}]`).boundingBox()).height
    await until(() => tall('picture'), 390, 'height of the picture')
    // No pill over the picture: the bar says it.
    expect(await page.getByText('Sound is off – click to hear').isVisible(), false, 'the pill')
    await accessible(page)
    await shoot(page, 'room-lying')
    await press(page, page.getByText('Sound is off – tap to hear'))
    await page.waitForFunction(() => document.querySelector('.is-playing video')?.muted === false)
    await press(page, page.getByRole('button', { name: 'To the call' }))
    await until(() => tall('call'), 390, 'height of the call')
    await page.waitForTimeout(200)
    await shoot(page, 'room-lying-call')
    await page.getByRole('button', { name: 'Back to the picture' }).click()
    await until(() => tall('picture'), 390, 'height of the picture')
    await page.mouse.move(300, 120)
    await page.keyboard.press('m')
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  await check('who is here, and how many watch', async () => {
    const page = pages.jonas
    await press(page, page.locator('[aria-label*="who is here"]'))
    await says(page, 'Aiko Tanaka')
    await page.waitForTimeout(400)
    await beside(page, 'Who is here')
    await accessible(page)
    await greys(page)
    await shoot(page, 'room-people')
    await page.keyboard.press('Escape')
  })

  await check('is it them or me: three columns, every figure, beside the picture at every size', async () => {
    const page = pages.jonas
    await page.mouse.move(300, 120)
    await page.keyboard.press('i')
    await says(page, /640 × 360/)
    await says(page, /8-bit/)
    const columns = await page.locator('aside dl').evaluateAll((lists) => lists.map((list) => [...list.querySelectorAll('dt')].map((one) => one.textContent).join(', ')))
    expect(columns[0], 'Picture, Frames, Codec, Bitrate, Keyframes, B-frames, Sound, Sends by', 'what is told of the encoder')
    expect(columns[1], 'Live for, Receives, Sends, By WebRTC, By LLHLS, Watching, In the call', 'what is told of the server')
    expect(columns[2], 'Picture, Frames, Codec, Bitrate, By, Loss, Jitter, Round trip, Delay, Decoded in all, Dropped in all', 'what is told of me')
    for (const [width, height] of [[820, 1180], [390, 844], [844, 390], [1280, 800]]) {
      await page.setViewportSize({ width, height })
      await page.waitForTimeout(300)
      await beside(page, 'Picture quality')
      await roomy(page, 'Picture quality')
      if (width === 390) await shoot(page, 'room-quality-phone')
    }
    await accessible(page)
    await greys(page)
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await page.locator('dialog').waitFor()
    await accessible(page)
    await shoot(page, 'room-help')
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'detached' })
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

/** An open panel takes its room from the black, not from the picture. */
/** However long the advice is, nothing of the panel lies over what is below it. */
async function roomy(page, label) {
  const over = await page.evaluate((name) => {
    const panel = document.querySelector(`aside[aria-label="${name}"]`)
    const copy = panel.cloneNode(true)
    panel.parentElement.append(copy)
    copy.querySelector(':scope > p').textContent = 'Ask whether the others see it too. '.repeat(6)
    const squeezed = [...copy.children].filter((part) => part.scrollHeight > part.clientHeight + 1).length
    copy.remove()
    return squeezed
  }, label)
  expect(over, 0, 'parts of the panel with too little room')
}

async function beside(page, label) {
  const box = (selector) => page.locator(selector).first().boundingBox()
  const [panel, picture] = [await box(`aside[aria-label="${label}"]`), await box('.is-playing video')]
  const apart = panel.x >= picture.x + picture.width - 0.5 || panel.y >= picture.y + picture.height - 0.5
  if (!apart) throw new Error(`the panel lies on the picture: ${JSON.stringify({ panel, picture })}`)
  if (picture.width < 150 || picture.height < 80) throw new Error(`little is left of the picture: ${JSON.stringify(picture)}`)
}

/** Closed, and opened again. */
export async function ending() {
  await check('closing names who is interrupted; both are told within a second', async () => {
    const page = pages.desk
    await page.goto(`${ADMIN}/rooms/${world.room.id}`)
    await page.getByRole('button', { name: 'More for this room' }).click()
    await page.getByRole('menuitem', { name: 'Close' }).click()
    await says(page.locator('dialog'), /Aiko Tanaka|Jonas Weber/)
    await page.waitForTimeout(300)
    await shoot(page, 'room-close')
    // Each page itself sees when: whoever asks it from outside asks twice a second.
    const told = (who) => pages[who].waitForFunction(() => document.body.textContent.includes('The room is closed') && Date.now(), undefined, { timeout: 5000 }).then((at) => at.jsonValue())
    // From the call to the controller on: what the click waits for is the browser's.
    const asked = page.waitForRequest((call) => call.method() === 'POST' && call.url().endsWith('/close')).then(() => Date.now())
    const [from, ...seen] = await Promise.all([asked, told('jonas'), told('aiko'), page.getByRole('button', { name: 'Close the room' }).click()])
    const times = seen.slice(0, 2).map((at) => at - from)
    for (const who of ['jonas', 'aiko']) {
      await says(pages[who], 'The room is closed')
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
    world.encoder = publish(key, { seconds: 1500 })
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    return `${await untilFrames(pages.jonas, 25)} decoded`
  })
}
