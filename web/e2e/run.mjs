// The whole way in a real browser against the real controller: set up, make a
// room, publish, watch, talk, close, and every door that stays shut.
//
//   npm run e2e      ends with "N passed, N failed"; pictures in .cache/e2e/
//
//   COLOURSTREAM_BIN        the controller under test
//   COLOURSTREAM_E2E_DIST   pages of this folder instead of those in the binary
import { accessible, complaints, halves, launch, person, says, shoot, strangers, untilFrames } from './browser.mjs'
import { ADMIN, endChildren, LIVE, publish, startStack, VIDEO } from './stack.mjs'

const PASSWORD = 'a grey card and a candle'
let passed = 0
let failed = 0
let skips = null

/** One thing that must hold. What the rest stands on ends the run when it does not. */
async function check(name, act, { needed = false, within = 60_000 } = {}) {
  if (skips) {
    failed += 1
    console.log(`not ok - ${name} # not reached: ${skips}`)
    return
  }
  const from = Date.now()
  let timer
  try {
    const late = new Promise((_, no) => {
      timer = setTimeout(() => no(new Error(`not done within ${within / 1000} s`)), within)
    })
    const told = await Promise.race([act(), late])
    passed += 1
    console.log(`ok - ${name} (${((Date.now() - from) / 1000).toFixed(1)} s${told ? `, ${told}` : ''})`)
  } catch (error) {
    failed += 1
    console.log(`not ok - ${name}\n    ${String(error.message ?? error).split('\n').slice(0, 6).join('\n    ')}`)
    for (const [who, page] of Object.entries(pages)) await shoot(page, `failed-${failed}-${who}`)
    if (needed) skips = name
  } finally {
    clearTimeout(timer)
  }
}

const expect = (is, wanted, what) => {
  if (is !== wanted) throw new Error(`${what} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`)
}

let stack
let browser
let encoder
const pages = {}

/** A call of the API with the portal's own login. */
const api = (method, path, body) =>
  pages.desk.evaluate(
    async ([verb, where, payload]) => {
      const answer = await fetch(`/api/v1${where}`, { method: verb, headers: { 'if-match': '*', ...(payload ? { 'content-type': 'application/json' } : {}) }, body: payload ? JSON.stringify(payload) : undefined })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${verb} ${where}: ${answer.status} ${text}`)
      return text ? JSON.parse(text) : null
    },
    [method, path, body],
  )
const roomWith = async (title, more = {}) => (await api('POST', '/rooms', { title, link: { name: '', role: 'viewer' }, ...more }))
const soon = (seconds) => new Date(Date.now() + seconds * 1000).toISOString()

/** A fresh browser of a guest, for one question. */
async function guest(name, act, options) {
  const page = await person(browser, name, options)
  pages[name] = page
  try {
    return await act(page)
  } finally {
    await shoot(page, name)
    delete pages[name]
    await page.context().close()
  }
}

async function enter(page, link, name) {
  await page.goto(link)
  // A link made for somebody knows their name.
  if (name) {
    await page.getByLabel(/Your name/).fill(name)
    await page.getByRole('button', { name: 'Enter the room' }).click()
  }
  await page.waitForSelector('[data-half=picture]')
}

async function run() {
  await check('the controller brings the stack up', async () => {
    stack = await startStack()
    browser = await launch()
  }, { needed: true, within: 150_000 })

  // ---- The desk
  await check('the set-up link makes the owner and leads into the portal', async () => {
    pages.desk = await person(browser, 'desk', { scheme: 'light' })
    const page = pages.desk
    await page.goto(stack.setup)
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
      await page.goto(stack.setup)
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

  let link
  let room
  await check('N, a title and Enter make a room with its link on the clipboard', async () => {
    const page = pages.desk
    await page.keyboard.press('n')
    await page.keyboard.type('Northlight – reel 3')
    await page.keyboard.press('Enter')
    await says(page, /is on your clipboard/)
    link = await page.evaluate(() => navigator.clipboard.readText())
    if (!link.startsWith(`${LIVE}/j#`)) throw new Error(`the clipboard holds ${link}`)
    room = (await api('GET', '/rooms')).items[0]
    expect(room.title, 'Northlight – reel 3', 'the title')
    expect(new URL(page.url()).pathname, `/rooms/${room.id}`, 'the page')
    await page.waitForTimeout(300)
    await accessible(page)
    await shoot(page, 'room-made')
  }, { needed: true })

  // ---- The room
  await check('a link asks for a name once and waits for the picture', async () => {
    pages.jonas = await person(browser, 'jonas')
    await enter(pages.jonas, link, 'Jonas Weber')
    await says(pages.jonas, /Waiting for the picture/)
    expect(new URL(pages.jonas.url()).href, `${LIVE}/${room.slug}`, 'the address')
    await halves(pages.jonas)
    await accessible(pages.jonas)
    await shoot(pages.jonas, 'room-waiting')
    await pages.jonas.reload()
    await says(pages.jonas, /Waiting for the picture/)
  }, { needed: true })

  await check('the encoder starts and the picture comes by itself: 100 real frames', async () => {
    const { key } = await api('GET', `/rooms/${room.id}/ingest`)
    const from = Date.now()
    encoder = publish(key)
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    const first = Date.now() - from
    const seen = await untilFrames(pages.jonas, 100)
    await pages.jonas.mouse.move(300, 120)
    await shoot(pages.jonas, 'room-live')
    return `first frame after ${(first / 1000).toFixed(1)} s, ${seen} decoded`
  }, { needed: true })

  await check('a second person with the same link sees it too', async () => {
    pages.aiko = await person(browser, 'aiko', { size: [820, 1180] })
    await enter(pages.aiko, link, 'Aiko Tanaka')
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
  })

  await check('picture and call are half and half at desktop, tablet and phone sizes', async () => {
    for (const [width, height] of [[1440, 900], [1920, 1080], [820, 1180], [390, 844], [360, 740]]) {
      await pages.jonas.setViewportSize({ width, height })
      await pages.jonas.waitForTimeout(150)
      await halves(pages.jonas)
      await shoot(pages.jonas, `halves-${width}`)
    }
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
    const live = (await api('GET', `/rooms/${room.id}`)).live
    expect(live.publishers, 1, 'publishers')
    expect(live.callers, 2, 'callers')
  })

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

  await check('the encoder stops and is back: so is the picture', async () => {
    await encoder.stop()
    await says(pages.jonas, /stream has ended|Reconnecting/, 15_000)
    await says(pages.jonas, /stream has ended/, 15_000)
    await shoot(pages.jonas, 'room-stopped')
    encoder = publish((await api('GET', `/rooms/${room.id}/ingest`)).key)
    const from = Date.now()
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    await pages.aiko.waitForSelector('.is-playing', { timeout: 20_000 })
    await untilFrames(pages.jonas, 25)
    await pages.jonas.frameLocator('iframe[title=Call]').getByText('joined', { exact: true }).waitFor()
    return `${((Date.now() - from) / 1000).toFixed(1)} s from encoder to 25 frames`
  })

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
    while (encoder.running() && Date.now() < until) await new Promise((done) => setTimeout(done, 100))
    if (encoder.running()) throw new Error('it still sends after 10 s')
  })

  await check('a room that opens again takes back those who stayed', async () => {
    await api('POST', `/rooms/${room.id}/open`)
    await says(pages.jonas, /Waiting for the picture/, 5000)
    const { key } = await api('GET', `/rooms/${room.id}/ingest`)
    encoder = publish(key)
    await pages.jonas.waitForSelector('.is-playing', { timeout: 20_000 })
    return `${await untilFrames(pages.jonas, 25)} decoded`
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

  // ---- Doors
  const notice = (name, address, words) => check(name, () => guest(name.replaceAll(/\W+/g, '-'), async (page) => {
    await page.goto(typeof address === 'function' ? await address() : address)
    await says(page, words)
    expect(new URL(page.url()).hash, '', 'the fragment')
    await page.waitForTimeout(250)
    await accessible(page)
  }))
  const linkOf = async (more) => (await api('POST', `/rooms/${room.id}/links`, { name: 'Door', role: 'viewer', ...more }))

  await notice('an unknown link', `${LIVE}/j#nothing-like-this`, 'This link opens nothing')
  await notice('a link without its token', `${LIVE}/j`, 'This link opens nothing')
  await notice('a link that was withdrawn', async () => {
    const made = await linkOf()
    await api('DELETE', `/rooms/${room.id}/links/${made.id}`)
    return made.url
  }, 'This link was withdrawn')
  await notice('a link that has ended', async () => {
    const made = await linkOf({ expires_at: soon(1.5) })
    await new Promise((done) => setTimeout(done, 2000))
    return made.url
  }, 'This link has ended')
  await notice('a link that was used up', async () => {
    const made = await linkOf({ max_uses: 1 })
    await guest('first-use', (page) => enter(page, made.url))
    return made.url
  }, 'This link was already used')
  await notice('a room that is closed', async () => {
    const made = await roomWith('Closed room')
    await api('POST', `/rooms/${made.room.id}/close`)
    return made.link.url
  }, 'The room is closed')
  await check('a room that is full', async () => {
    await api('PATCH', `/rooms/${room.id}`, { viewer_cap: 1 })
    await guest('full', async (page) => {
      await page.goto((await linkOf()).url)
      await says(page, 'The room is full')
      await page.waitForTimeout(250)
      await accessible(page)
    })
    await api('PATCH', `/rooms/${room.id}`, { viewer_cap: null })
  })
  await check('a room that is not open yet counts down and goes in by itself', async () => {
    const made = await roomWith('Halcyon trailer', { opens_at: soon(9) })
    await guest('not-open', async (page) => {
      await page.goto(made.link.url)
      await page.getByLabel(/Your name/).fill('Early')
      await page.getByRole('button', { name: 'Enter the room' }).click()
      await says(page, /This room opens/)
      await accessible(page)
      await shoot(page, 'not-open-yet')
      await says(page, /Waiting for the picture/, 15_000)
    })
  })
  await check('a room whose time is over says so to those inside', async () => {
    const made = await roomWith('Short one', { expires_at: soon(6) })
    await guest('room-over', async (page) => {
      await enter(page, made.link.url, 'Late')
      await says(page, 'This room has ended', 15_000)
    })
  })
  await check('a withdrawn link ends the visit at once, picture and all', async () => {
    const made = await linkOf()
    await guest('revoked-inside', async (page) => {
      await enter(page, made.url)
      await page.waitForSelector('.is-playing', { timeout: 20_000 })
      const from = Date.now()
      await api('DELETE', `/rooms/${room.id}/links/${made.id}`)
      await says(page, /no longer in this room|withdrawn/, 3000)
      expect(await page.locator('video').count(), 0, 'videos')
      return `${Date.now() - from} ms`
    })
  })
  await check('the passcode: wrong ones are refused, the right one lets in, many have to wait', async () => {
    const made = await roomWith('By passcode', { passcode: 'magenta 81' })
    const knock = async (page, passcode) => {
      await page.fill('[name=passcode]', passcode)
      await page.getByRole('button', { name: /^Enter/ }).click()
    }
    await guest('door', async (page) => {
      await page.goto(`${LIVE}/${made.room.slug}`)
      await page.waitForSelector('[name=passcode]')
      expect(await page.inputValue('[name=room]'), made.room.slug, 'the room')
      await accessible(page)
      await shoot(page, 'door')
      await page.fill('[name=name]', 'Sam')
      await knock(page, 'cyan 18')
      await says(page, /do not match/)
      await shoot(page, 'door-wrong')
      await knock(page, 'magenta 81')
      await says(page, /Waiting for the picture/)
    })
    await guest('door-many', async (page) => {
      await page.goto(`${LIVE}/${made.room.slug}`)
      await page.fill('[name=name]', 'Sam')
      await page.evaluate(async (slug) => {
        for (let n = 0; n < 8; n++) {
          const answer = await fetch('/api/v1/session/passcode', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ slug, passcode: `wrong ${n}`, name: 'Sam' }) })
          if (answer.status === 429) return
        }
      }, made.room.slug)
      await knock(page, 'cyan 19')
      await says(page, /Too many tries/)
      await page.getByRole('button', { name: /Try again in/ }).waitFor()
    })
  })

  // ---- All of it
  await check('nothing was asked of any other host', async () => {
    if (strangers().length > 0) throw new Error(strangers().join(', '))
  })
  await check('no page broke its policy or threw an error', async () => {
    if (complaints.length > 0) throw new Error([...new Set(complaints)].join('\n'))
  })
}

const overall = setTimeout(() => {
  skips ??= 'the run took more than 6 minutes'
}, 360_000)
let interrupted = false
// A page that is gone may still be asked something; the run goes on.
process.on('unhandledRejection', (error) => complaints.push(`the run: ${String(error?.message ?? error).split('\n')[0]}`))
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interrupted = true
    skips = 'it was interrupted'
    browser?.close().catch(() => {})
  })
}
try {
  await run()
} catch (error) {
  failed += 1
  console.log(`not ok - the run itself\n    ${error.stack}`)
} finally {
  clearTimeout(overall)
  await encoder?.stop()
  await browser?.close().catch(() => {})
  const down = await stack?.stop()
  await endChildren()
  if (down && down.code !== 0) {
    failed += 1
    console.log(`not ok - taking everything down\n    ${down.said.trim().split('\n').slice(-4).join('\n    ')}`)
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 || interrupted ? 1 : 0
