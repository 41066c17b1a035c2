// What a person does in a room: divider, keys, full screen, sound, devices,
// leaving; the watermark; a part that does not load.
import { accessible, bar, frames, greys, person, press, says, shoot, transport, untilFrames, untilWebRtc } from './browser.mjs'
import { api, check, enter, expect, guest, pages, until, watching, world } from './harness.mjs'
import { containerOf, docker, LIVE, simulate } from './stack.mjs'

const linkOf = (more) => api('POST', `/rooms/${world.room.id}/links`, { name: 'Noor', role: 'viewer', ...more })
const tall = async (page, half) => (await page.locator(`[data-half=${half}]`).boundingBox()).height
const playing = (page) => page.waitForSelector('.is-playing video', { timeout: 20_000, state: 'attached' })
const joined = (page) => page.frameLocator('iframe[title=Call]').getByText('joined', { exact: true }).waitFor({ timeout: 15_000 })

/**
 * Chromium lets every silent video play, and a page that somebody clicked in
 * any. Others judge each video: what begins by itself, and what may be begun.
 */
const ALLOW_ONLY = (what) => {
  const { play } = HTMLMediaElement.prototype
  const { setAttribute } = Element.prototype
  // Of the browser's own notion the test's hand is a part.
  let tapped = false
  addEventListener('click', () => {
    tapped = true
    setTimeout(() => (tapped = false))
  }, true)
  HTMLMediaElement.prototype.play = function () {
    const may = what === 'tap' ? tapped : this.muted
    return may ? play.call(this) : Promise.reject(new DOMException('', 'NotAllowedError'))
  }
  Element.prototype.setAttribute = function (name, value) {
    if (name !== 'autoplay') setAttribute.call(this, name, value)
  }
}

// How long a presenter's token for the call lives, and a little.
const TOKEN_MS = 62_000

export async function controls() {
  let since = 0
  await check('a presenter joins the call, and stays for what is asked at the end', async () => {
    pages.host = await person(world.browser, 'host')
    await enter(pages.host, (await linkOf({ name: 'Maya', role: 'presenter' })).url)
    await pages.host.getByRole('button', { name: 'Join the call' }).click()
    await joined(pages.host)
    since = Date.now()
  })

  await check('what lies over the picture comes with movement and leaves after 3 s', () =>
    guest('chrome', async (page) => {
      await enter(page, (await linkOf()).url)
      await playing(page)
      // From the movement on, as the page has it.
      await page.evaluate(() => {
        let from = Number.NaN
        addEventListener('pointermove', () => (from = performance.now()), true)
        const it = document.querySelector('[data-shown]')
        new MutationObserver(() => {
          if (it.dataset.shown === 'false') window.leftAfter = performance.now() - from
        }).observe(it, { attributes: true, attributeFilter: ['data-shown'] })
      })
      await page.mouse.move(200, 100)
      await bar(page, true)
      await bar(page, false)
      const took = Math.round(await page.evaluate(() => window.leftAfter))
      if (!(took >= 2000 && took <= 5000)) throw new Error(`gone after ${took} ms`)
      // What cannot be seen is out of reach of a mouse.
      expect(await page.evaluate(() => document.querySelector('[data-shown]').inert), true, 'the hidden bar')
      await page.mouse.move(220, 110)
      await bar(page, true)
      // A key that brings the focus there keeps it in sight, and in reach.
      const inBar = () => page.evaluate(() => document.activeElement?.closest('[data-shown]') != null)
      for (let n = 0; n < 5 && !(await inBar()); n++) await page.keyboard.press('Tab')
      await page.waitForTimeout(4000)
      expect(await inBar(), true, 'the focus is in the bar')
      await bar(page, true)
      return `${took} ms`
    }))

  await check('the divider: dragged, by keys, and back to the middle', () =>
    guest('divider', async (page) => {
      await enter(page, (await linkOf()).url)
      await page.mouse.move(640, 400)
      await page.mouse.down()
      await page.mouse.move(640, 520, { steps: 5 })
      expect(await page.locator('[role=separator]').getAttribute('data-dragging'), 'true', 'the divider')
      await page.mouse.up()
      await until(async () => Math.round(await tall(page, 'picture')), 520, 'height of the picture')
      await until(async () => Math.round(await tall(page, 'call')), 280, 'height of the call')
      await page.mouse.move(640, 520)
      await page.mouse.dblclick(640, 520)
      await until(() => tall(page, 'picture'), 400, 'height of the picture')
      await page.focus('[role=separator]')
      await page.keyboard.press('ArrowDown')
      await until(async () => Math.round(await tall(page, 'picture')), 416, 'height of the picture')
      await page.keyboard.press('PageUp')
      await until(async () => Math.round(await tall(page, 'picture')), 336, 'height of the picture')
      expect(await page.getAttribute('[role=separator]', 'aria-valuenow'), '42', 'what is told of it')
      await page.keyboard.press('Home')
      await until(() => tall(page, 'picture'), 400, 'height of the picture')
      // Never so far that a half is gone.
      for (let n = 0; n < 8; n++) await page.keyboard.press('PageUp')
      await until(async () => Math.round(await tall(page, 'picture')), 120, 'height of the picture')
    }))

  await check('sound and full screen by keys and by click; the call hidden', () =>
    guest('keys', async (page) => {
      await enter(page, (await linkOf()).url)
      await playing(page)
      const muted = () => page.evaluate(() => document.querySelector('.is-playing video').muted)
      expect(await muted(), true, 'muted at first')
      await page.keyboard.press('m')
      expect(await muted(), false, 'muted after m')
      await page.keyboard.press('m')
      expect(await muted(), true, 'muted after m again')
      const pill = page.getByText('Sound is off – click to hear')
      await pill.click()
      expect(await muted(), false, 'muted after the click')
      await pill.waitFor({ state: 'detached' })
      const full = () => page.evaluate(() => document.fullscreenElement?.dataset.half ?? null)
      await page.keyboard.press('f')
      await page.waitForFunction(() => document.fullscreenElement !== null)
      expect(await full(), 'picture', 'on the whole screen')
      await page.keyboard.press('f')
      await page.waitForFunction(() => document.fullscreenElement === null)
      await press(page, page.getByRole('button', { name: 'Full screen (f)' }))
      await page.waitForFunction(() => document.fullscreenElement !== null)
      await page.keyboard.press('f')
      await page.waitForFunction(() => document.fullscreenElement === null)
      await page.keyboard.press('c')
      await page.waitForSelector('[data-call=hidden]')
      await until(() => tall(page, 'picture'), 800, 'height of the picture')
      expect(await page.getByRole('button', { name: 'Join the call' }).isVisible(), false, 'the hidden call')
      await press(page, page.getByRole('button', { name: 'Show the call (c)' }))
      await until(() => tall(page, 'picture'), 400, 'height of the picture')
    }))

  await check('a browser that plays nothing by itself is asked at a tap', () =>
    guest('needs-tap', async (page) => {
      await page.addInitScript(ALLOW_ONLY, 'tap')
      await enter(page, (await linkOf()).url)
      const tap = page.getByRole('button', { name: 'Show the picture' })
      await tap.waitFor({ timeout: 15_000 })
      // It waits, however long that takes.
      await page.waitForTimeout(9000)
      await accessible(page)
      await greys(page)
      await shoot(page, 'needs-tap')
      await page.keyboard.press('i')
      await says(page, 'Waits for you')
      await page.keyboard.press('Escape')
      await tap.click()
      await playing(page)
      return `${await untilFrames(page, 25)} decoded`
    }, { ends: false }))

  await check('a browser that refuses sound to a new video plays it silently, and offers the sound again', () =>
    guest('sound-refused', async (page) => {
      await enter(page, (await linkOf()).url)
      await untilWebRtc(page)
      await page.keyboard.press('m')
      await page.getByText('Sound is off – click to hear').waitFor({ state: 'detached' })
      await page.evaluate(ALLOW_ONLY, 'silence')
      await page.evaluate(() => window.peers.forEach((peer) => peer.close()))
      // Said for less than a second where it goes well: looked for at every frame.
      await page.waitForFunction(() => document.body.textContent.includes('The picture stopped. Reconnecting…'))
      await page.getByText('Sound is off – click to hear').waitFor({ timeout: 15_000 })
      await untilFrames(page, 25)
      expect(await page.evaluate(() => document.querySelector('.is-playing video').muted), true, 'muted')
    }))

  await check('the device check: camera, microphone, speakers, network, display', () =>
    guest('devices', async (page) => {
      await enter(page, (await linkOf()).url)
      await untilWebRtc(page)
      await page.getByRole('button', { name: 'Check camera and sound' }).click()
      const row = (name) => page.locator(`[data-device=${name}]`)
      await says(row('camera'), /fake/i)
      // The false microphone beeps.
      await says(row('microphone'), 'You can be heard')
      await says(row('network'), 'Direct media gets through')
      await says(row('display'), '8 bits per channel, sRGB')
      await row('speakers').getByRole('button', { name: 'Play a tone' }).click()
      await row('speakers').getByRole('button', { name: 'I don’t' }).click()
      await says(row('speakers'), /Turn the volume up/)
      await row('speakers').getByRole('button', { name: 'I hear it' }).click()
      await says(row('speakers'), 'You hear sound')
      await accessible(page)
      await shoot(page, 'device-check')
      // Escape closes it, and the focus is where it was.
      const focused = () => page.evaluate(() => document.activeElement.textContent)
      await page.keyboard.press('Escape')
      await page.locator('dialog').waitFor({ state: 'detached' })
      expect(await focused(), 'Check camera and sound', 'the focus after Escape')
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: 'Skip' }).click()
      await page.locator('dialog').waitFor({ state: 'detached' })
      expect(await focused(), 'Check camera and sound', 'the focus after Skip')
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: 'Join the call' }).last().click()
      await joined(page)
    }))

  await check('the device check where a device is missing or refused: each has its own words', () =>
    guest('devices-missing', async (page) => {
      await page.addInitScript(() => {
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
        navigator.mediaDevices.getUserMedia = (wanted) => (wanted.audio ? Promise.reject(new DOMException('', window.lack ?? 'NotFoundError')) : real(wanted))
      })
      await enter(page, (await linkOf()).url)
      await page.getByRole('button', { name: 'Check camera and sound' }).click()
      const row = (name) => page.locator(`[data-device=${name}]`)
      await says(row('camera'), /fake/i)
      await says(row('microphone'), 'None found')
      await says(row('microphone'), /Plug one in/)
      await accessible(page)
      for (const [lack, words] of [['NotAllowedError', /Allow the microphone/], ['NotReadableError', /Close other programs/]]) {
        await page.evaluate((name) => void (window.lack = name), lack)
        await page.getByRole('button', { name: 'Check again' }).click()
        await says(row('microphone'), words)
        await says(row('camera'), /fake/i)
      }
    }))

  await check('a part that does not load takes neither picture nor call away', () =>
    guest('part-lost', async (page) => {
      await enter(page, (await linkOf()).url)
      await playing(page)
      await page.getByRole('button', { name: 'Join the call' }).click()
      await joined(page)
      await page.route('**/assets/QualityPanel-*.js', (route) => route.abort('connectionreset'))
      await page.mouse.move(300, 120)
      await page.keyboard.press('i')
      await says(page, /This part could not be loaded/)
      await untilFrames(page, 25)
      await joined(page)
      await accessible(page)
      await shoot(page, 'part-missing')
      await page.getByRole('button', { name: 'Reload the page' }).waitFor()
      await page.unroute('**/assets/QualityPanel-*.js')
      await page.getByRole('button', { name: 'Try again' }).click()
      await says(page, /8-bit/)
      await joined(page)
    }))

  await check('leaving is asked first; the place is kept, a link for one is not spent', async () => {
    const once = await linkOf({ max_uses: 1 })
    await guest('leaving', async (page) => {
      await enter(page, once.url)
      await playing(page)
      const leave = async () => {
        await press(page, page.getByRole('button', { name: 'Leave the room' }))
        await says(page, 'Leave the room?')
      }
      await leave()
      await accessible(page)
      await shoot(page, 'leave-asked')
      await page.getByRole('button', { name: 'Stay' }).click()
      await untilFrames(page, 10)
      await leave()
      await page.getByRole('button', { name: 'Leave', exact: true }).click()
      await says(page, 'You left the room')
      expect(await page.locator('video, iframe').count(), 0, 'what is left of picture and call')
      await accessible(page)
      await shoot(page, 'left')
      await page.getByRole('button', { name: 'Come back' }).click()
      await playing(page)
      await leave()
      await page.getByRole('button', { name: /forget me here/ }).click()
      await says(page, /has forgotten it/)
      await page.reload()
      await says(page, 'Enter a room')
    })
  })

  await check('leaving the call through its own button: the page notices and offers to rejoin', () =>
    guest('call-leaving', async (page) => {
      await enter(page, (await linkOf()).url)
      await playing(page)
      await page.getByRole('button', { name: 'Join the call' }).click()
      await joined(page)
      await page.frameLocator('iframe[title=Call]').getByRole('button', { name: 'Leave' }).click()
      await says(page, 'You left the call')
      expect(await page.locator('iframe').count(), 0, 'frames')
      await untilFrames(page, 10)
      await accessible(page)
      await shoot(page, 'call-left')
      await page.getByRole('button', { name: 'Join again' }).click()
      await joined(page)
      // The page it went through, in a tab of its own.
      await page.goto(`${LIVE}/left`)
      await says(page, 'You left the call')
      await accessible(page)
      await greys(page)
    }))

  await check('two guests of one name are told apart in the call', async () => {
    const { url } = await linkOf({ name: 'Kim Doe' })
    const inCall = (page) => page.evaluate(() => [...document.querySelectorAll('aside li')].filter((one) => /Kim Doe/.test(one.textContent) && /in the call/.test(one.textContent)).length)
    await guest('namesake-one', async (one) => {
      await enter(one, url)
      await one.getByRole('button', { name: 'Join the call' }).click()
      await joined(one)
      await guest('namesake-two', async (two) => {
        await enter(two, url)
        await press(two, two.locator('[aria-label*="who is here"]'))
        await two.waitForFunction(() => [...document.querySelectorAll('aside li')].filter((item) => /Kim Doe/.test(item.textContent)).length === 2)
        await two.waitForFunction(() => /in the call/.test(document.querySelector('aside').textContent))
        await two.waitForTimeout(1500)
        expect(await inCall(two), 1, 'people of that name in the call')
        await two.keyboard.press('Escape')
        await two.getByRole('button', { name: 'Join the call' }).click()
        await joined(two)
        await two.frameLocator('iframe[title=Call]').getByText('Kim Doe 2').first().waitFor()
        await press(one, one.locator('[aria-label*="who is here"]'))
        await one.waitForFunction(() => [...document.querySelectorAll('aside li')].filter((item) => /Kim Doe/.test(item.textContent) && /in the call/.test(item.textContent)).length === 2)
      })
    })
  })

  await check('the watermark: whatever is done to it, the picture is paused until it is back', async () => {
    await api('PATCH', `/rooms/${world.room.id}`, { watermark: true })
    try {
      await guest('watermarked', async (page) => {
        await enter(page, (await linkOf()).url)
        await playing(page)
        await page.waitForSelector('[data-watermark]', { state: 'attached' })
        const removed = page.getByText('The watermark was removed, so the picture is paused.')
        const paused = () => page.evaluate(() => [...document.querySelectorAll('video')].every((one) => one.paused))
        // Left alone it stays, at every size, and the picture goes on.
        for (const [width, height] of [[390, 844], [844, 390], [1920, 1080], [1280, 800]]) {
          await page.setViewportSize({ width, height })
          await page.waitForTimeout(1300)
          expect(await removed.count(), 0, `the notice at ${width} × ${height}`)
        }
        await page.keyboard.press('i')
        await page.waitForTimeout(1300)
        expect(await removed.count(), 0, 'the notice beside an open panel')
        await page.keyboard.press('Escape')
        await untilFrames(page, 25)
        await accessible(page)
        await bar(page, false)
        await shoot(page, 'watermark')
        expect(await page.evaluate(() => document.querySelector('.is-playing video').disablePictureInPicture), true, 'picture-in-picture is off')

        const back = async () => {
          await page.getByRole('button', { name: 'Put it back and go on' }).click()
          await page.waitForFunction(() => document.querySelector('.is-playing video')?.paused === false)
          await untilFrames(page, 10)
        }
        await page.evaluate(() => document.querySelector('[data-watermark]').remove())
        await removed.waitFor()
        // The words are there a moment before the player is told.
        await until(paused, true, 'paused', 1000)
        await accessible(page)
        await shoot(page, 'watermark-removed')
        // Pressing play by other means does not help.
        await page.evaluate(() => document.querySelector('.is-playing video').play().catch(() => {}))
        await page.waitForTimeout(400)
        const before = await frames(page)
        expect(await paused(), true, 'paused again')
        await page.waitForTimeout(1500)
        if ((await frames(page)) - before > 1) throw new Error('frames were shown meanwhile')
        await back()

        for (const rule of [
          '[data-watermark] { transform: scale(0.01) }', '[data-watermark] span { -webkit-text-fill-color: transparent }', '[data-watermark] { clip-path: inset(50%) }', '[data-watermark] { z-index: -1 !important }',
          '[data-watermark] { width: 1px !important }', '[data-watermark] span { font-size: 1px }', '[data-watermark] { color: #123 !important }', '.picture-box { z-index: 7 }', '[data-watermark] { filter: opacity(0) }', '[data-watermark] { mask-image: linear-gradient(transparent, transparent) }',
        ]) {
          await page.evaluate((text) => {
            const sheet = new CSSStyleSheet()
            sheet.replaceSync(text)
            document.adoptedStyleSheets = [sheet]
          }, rule)
          await removed.waitFor({ timeout: 4000 }).catch(() => {
            throw new Error(`not noticed: ${rule}`)
          })
          await until(paused, true, `paused under ${rule}`, 1000)
          await page.evaluate(() => {
            document.adoptedStyleSheets = []
          })
          await back()
        }
        return transport(page)
      })
    } finally {
      await api('PATCH', `/rooms/${world.room.id}`, { watermark: false })
    }
  }, { within: 120_000 })

  await check('the watermark removed where WebRTC is blocked: the picture stands, and is live again when it is back', async () => {
    await api('PATCH', `/rooms/${world.room.id}`, { watermark: true })
    await simulate('ice', { open: false })
    try {
      await guest('watermarked-llhls', async (page) => {
        await enter(page, (await linkOf()).url)
        await playing(page)
        expect(await transport(page), 'llhls', 'the way of the picture')
        await untilFrames(page, 25)
        await page.waitForSelector('[data-watermark]', { state: 'attached' })
        await page.evaluate(() => document.querySelector('[data-watermark]').remove())
        await page.getByText('The watermark was removed, so the picture is paused.').waitFor()
        await page.waitForTimeout(500)
        const before = await frames(page)
        // Longer than the compatible picture may be behind.
        await page.waitForTimeout(8000)
        if ((await frames(page)) - before > 1) throw new Error(`${(await frames(page)) - before} frames were shown meanwhile`)
        await page.getByRole('button', { name: 'Put it back and go on' }).click()
        await page.waitForFunction(() => document.querySelector('.is-playing video')?.paused === false)
        await untilFrames(page, 25)
        const behind = () => page.evaluate(() => {
          const video = document.querySelector('.is-playing video')
          return video.seekable.end(video.seekable.length - 1) - video.currentTime
        })
        for (let n = 0; n < 40 && (await behind()) > 6; n++) await page.waitForTimeout(250)
        if ((await behind()) > 6) throw new Error(`${(await behind()).toFixed(1)} s behind`)
      })
    } finally {
      await simulate('ice', { open: true })
      await api('PATCH', `/rooms/${world.room.id}`, { watermark: false })
    }
  }, { within: 90_000 })

  await check('a call that was started again is joined again, its token long over, without a reload', async () => {
    const page = pages.host
    const address = () => page.evaluate(() => document.querySelector('iframe[title=Call]')?.src)
    const another = async (than) => {
      await page.waitForFunction((old) => ![old, undefined].includes(document.querySelector('iframe[title=Call]')?.src), than, { timeout: 60_000 })
      await joined(page)
      expect(await page.frameLocator('iframe[title=Call]').locator('#role').textContent(), 'presenter', 'the role')
    }
    await page.evaluate(() => void (window.stays = true))
    await page.waitForTimeout(Math.max(0, since + TOKEN_MS - Date.now()))
    const first = await address()
    // Somebody else is in it, too: a page that was made anew is out of it.
    const other = pages.aiko
    if ((await other.locator('iframe[title=Call]').count()) === 0) await other.getByRole('button', { name: 'Join the call' }).click()
    await joined(other)
    docker('restart', '-t', '1', containerOf('mirotalk'))
    await another(first)
    await joined(other)
    // And at a click.
    const second = await address()
    await page.getByRole('button', { name: 'Rejoin the call' }).click()
    await another(second)
    expect(await page.evaluate(() => window.stays), true, 'the page is the same')
    await untilFrames(page, 25)
    await accessible(page)
    await greys(page)
    await shoot(page, 'call-rejoined')
    delete pages.host
    await page.context().close()
    // Who closes a tab is gone once the services say so.
    await watching(2)
  }, { within: 180_000 })
}
