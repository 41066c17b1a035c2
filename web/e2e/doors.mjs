// Every door that stays shut, and those that open late.
import { accessible, greys, says, shoot, still, untilFrames } from './browser.mjs'
import { api, check, enter, expect, guest, roomWith, soon, world } from './harness.mjs'
import { containerOf, docker, LIVE, publish } from './stack.mjs'

export async function doors() {
  // What is said, whom to ask where that is known, and something to press.
  const notice = (name, address, words, { next = 'Enter with a passcode', leads = 'Enter a room' } = {}) => check(name, () => guest(name.replaceAll(/\W+/g, '-'), async (page) => {
    await page.goto(typeof address === 'function' ? await address() : address)
    await says(page, words)
    expect(new URL(page.url()).hash, '', 'the fragment')
    await page.waitForTimeout(250)
    await accessible(page)
    await greys(page)
    await shoot(page, name.replaceAll(/\W+/g, '-'))
    await page.getByRole('button', { name: next }).click()
    await says(page, leads)
  }, { ends: false }))
  const linkOf = async (more) => (await api('POST', `/rooms/${world.room.id}/links`, { name: 'Door', role: 'viewer', ...more }))

  await check('the first load of the live page: at most 90 KiB, without player and portal', () =>
    guest('first-load', async (page) => {
      await page.goto(`${LIVE}/`)
      await page.waitForSelector('[name=passcode]')
      const loaded = await page.evaluate(() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((one) => ({ name: one.name.split('/').at(-1), size: one.encodedBodySize })))
      const sum = loaded.reduce((all, one) => all + one.size, 0) / 1024
      const alien = loaded.find((one) => /^(admin|hls|ovenplayer)/i.test(one.name))
      if (alien) throw new Error(`${alien.name} is loaded at the door`)
      if (!(sum > 20 && sum <= 90)) throw new Error(`${sum.toFixed(1)} KiB: ${loaded.map((one) => one.name).join(', ')}`)
      return `${sum.toFixed(1)} KiB`
    }))

  await notice('an unknown link', `${LIVE}/j#nothing-like-this`, 'This link opens nothing')
  await notice('a link without its token', `${LIVE}/j`, 'This link opens nothing')
  await notice('a link that was mangled on its way', `${LIVE}/j#%E0`, 'This link opens nothing')
  await notice('a link that was withdrawn', async () => {
    const made = await linkOf()
    await api('DELETE', `/rooms/${world.room.id}/links/${made.id}`)
    return made.url
  }, 'Ask Maya for a new one.')
  await notice('a link that has ended', async () => {
    const made = await linkOf({ expires_at: soon(1.5) })
    await new Promise((done) => setTimeout(done, 2000))
    return made.url
  }, 'Ask Maya for a new one.')
  await notice('a link that was used up', async () => {
    const made = await linkOf({ max_uses: 1 })
    await guest('first-use', (page) => enter(page, made.url))
    return made.url
  }, 'Ask Maya for another.')
  await check('a room that is closed: says which and whom to ask, and lets in once it opens, also after a reload', async () => {
    const made = await roomWith('Closed room')
    await api('POST', `/rooms/${made.room.id}/close`)
    await guest('closed-by-link', async (page) => {
      await page.goto(made.link.url)
      await says(page, 'The room is closed')
      await says(page, /ask Maya/)
      await says(page, 'Closed room')
      await accessible(page)
      await shoot(page, 'a-room-that-is-closed')
      await page.getByRole('button', { name: 'Try again' }).click()
      await says(page, 'The room is closed')
      // The address has no token any more, and yet a reload tries again.
      await page.reload()
      await says(page, 'The room is closed')
      await api('POST', `/rooms/${made.room.id}/open`)
      await page.getByRole('button', { name: 'Try again' }).click()
      await page.getByLabel(/Your name/).waitFor()
    })
  })
  await check('a room that is full: says which, and lets in once a seat is free', async () => {
    await api('PATCH', `/rooms/${world.room.id}`, { viewer_cap: 1 })
    try {
      await guest('full-by-link', async (page) => {
        await page.goto((await linkOf()).url)
        await says(page, 'The room is full')
        await says(page, world.room.title)
        await says(page, /ask Maya/)
        await page.waitForTimeout(250)
        await accessible(page)
        await shoot(page, 'full')
        await api('PATCH', `/rooms/${world.room.id}`, { viewer_cap: null })
        await page.getByRole('button', { name: 'Try again' }).click()
        await page.waitForSelector('[data-half=picture]')
      })
    } finally {
      await api('PATCH', `/rooms/${world.room.id}`, { viewer_cap: null })
    }
  })
  await check('more people than seats: who has none is told, and sees once one is free; so is who may not watch from here', async () => {
    const made = await roomWith('Small room', { viewer_cap: 1 })
    const links = await Promise.all(['One', 'Two'].map((name) => api('POST', `/rooms/${made.room.id}/links`, { name, role: 'viewer' })))
    let encoder
    try {
      await guest('seat-taken', async (two) => {
        // Before the stream both are let in.
        await guest('seat', async (one) => {
          for (const [at, page] of [one, two].entries()) {
            await enter(page, links[at].url)
            await says(page, /Waiting for the picture/)
          }
          encoder = publish((await api('GET', `/rooms/${made.room.id}/ingest`)).key, { seconds: 120 })
          await Promise.race([one, two].map((page) => page.waitForSelector('.is-playing', { timeout: 20_000 })))
          const without = (await one.locator('.is-playing').count()) > 0 ? two : one
          await says(without, /Every seat is taken/)
          await without.mouse.move(300, 120)
          await without.keyboard.press('i')
          await says(without, 'No seat is free')
          await accessible(without)
          await greys(without)
          await shoot(without, 'no-seat')
          await without.keyboard.press('Escape')
          await (without === one ? two : one).goto(`${LIVE}/left`)
          await without.waitForSelector('.is-playing', { timeout: 30_000 })
          await untilFrames(without, 10)
        })
        await encoder.stop()
        await api('PATCH', `/rooms/${made.room.id}`, { viewer_cap: null, allowed_addresses: ['192.0.2.0/24'] })
        await two.goto(`${LIVE}/${made.room.slug}`)
        await says(two, /certain networks only/)
        await accessible(two)
        await shoot(two, 'not-this-network')
      }, { ends: false })
    } finally {
      await encoder?.stop()
    }
  }, { within: 120_000 })
  await check('a room that is not open yet counts down and goes in by itself', async () => {
    const made = await roomWith('Halcyon trailer', { opens_at: soon(25) })
    await guest('not-open', async (page) => {
      await page.goto(made.link.url)
      await page.getByLabel(/Your name/).fill('Early')
      await page.getByRole('button', { name: 'Enter the room' }).click()
      await says(page, /This room opens/)
      await accessible(page)
      await greys(page)
      await shoot(page, 'not-open-yet')
      // No picture plays yet: nothing is claimed of the network.
      await page.getByRole('button', { name: 'Check camera and sound' }).click()
      await says(page.locator('[data-device=network]'), 'Known once the picture plays')
      await page.getByRole('button', { name: 'Close' }).click()
      await says(page, /Waiting for the picture/, 30_000)
    })
  })
  await check('a room whose time is over says so to those inside', async () => {
    const made = await roomWith('Short one')
    await guest('room-over', async (page) => {
      await enter(page, made.link.url, 'Late')
      await api('PATCH', `/rooms/${made.room.id}`, { expires_at: soon(4) })
      await says(page, 'This room has ended', 15_000)
      await page.getByRole('button', { name: 'Try again' }).waitFor()
    })
  })
  await check('a withdrawn link ends the visit at once, picture and all', async () => {
    const made = await linkOf()
    await guest('revoked-inside', async (page) => {
      await enter(page, made.url)
      await page.waitForSelector('.is-playing', { timeout: 20_000 })
      const from = Date.now()
      await api('DELETE', `/rooms/${world.room.id}/links/${made.id}`)
      await says(page, /no longer in this room|withdrawn/, 3000)
      expect(await page.locator('video').count(), 0, 'videos')
      await page.getByRole('button', { name: 'Enter with a passcode' }).waitFor()
      return `${Date.now() - from} ms`
    })
  })
  await check('the passcode: wrong ones are refused, the right one lets in, many have to wait', async () => {
    const made = await roomWith('By passcode', { passcode: 'magenta 81' })
    const knock = async (page, passcode) => {
      await page.fill('[name=passcode]', passcode)
      await page.getByRole('button', { name: /^Enter/ }).click()
    }
    await guest('passcode-right', async (page) => {
      await page.goto(`${LIVE}/${made.room.slug}`)
      await page.waitForSelector('[name=passcode]')
      expect(await page.inputValue('[name=room]'), made.room.slug, 'the room')
      await accessible(page)
      await greys(page)
      await shoot(page, 'passcode')
      await page.fill('[name=name]', 'Sam')
      await knock(page, 'cyan 18')
      await says(page, /do not match/)
      await accessible(page)
      await shoot(page, 'passcode-wrong')
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
      await accessible(page)
      await shoot(page, 'passcode-wait')
    })
  })
  await check('the passcode door of a room that is closed, over, full or not open yet', async () => {
    const knock = (slug, act) => guest('passcode-late', async (page) => {
      await page.goto(`${LIVE}/${slug}`)
      await page.fill('[name=passcode]', 'magenta 81')
      await page.fill('[name=name]', 'Sam')
      await page.getByRole('button', { name: /^Enter/ }).click()
      await act(page)
    })
    const said = (words) => async (page) => {
      await says(page, words)
      await accessible(page)
      // The next step is the same button.
      expect(await page.getByRole('button', { name: 'Enter' }).isEnabled(), true, 'the button')
    }
    const passcode = 'magenta 81'
    const closed = await roomWith('Closed by passcode', { passcode })
    await api('POST', `/rooms/${closed.room.id}/close`)
    await knock(closed.room.slug, said(/The room is closed/))
    const over = await roomWith('Over by passcode', { passcode, expires_at: soon(1.5) })
    await new Promise((done) => setTimeout(done, 2000))
    await knock(over.room.slug, said(/The room is closed/))
    await api('PATCH', `/rooms/${world.room.id}`, { viewer_cap: 1, passcode })
    try {
      await knock(world.room.slug, said(/The room is full/))
    } finally {
      await api('PATCH', `/rooms/${world.room.id}`, { viewer_cap: null, passcode: null })
    }
    const early = await roomWith('Early by passcode', { passcode, opens_at: soon(600) })
    await knock(early.room.slug, (page) => says(page, /This room opens/))
  })

  await check('the server away: a link says so, and goes on when it is back', () =>
    guest('offline-then-in', async (page) => {
      const { url } = await linkOf()
      await page.goto(`${LIVE}/`)
      await page.route('**/api/v1/session/link', (route) => route.abort('connectionrefused'))
      await page.goto(url)
      await says(page, 'The server cannot be reached')
      await accessible(page)
      await shoot(page, 'offline')
      // Made anew, the page has not waited long yet: its pauses double each time.
      await page.reload()
      await says(page, 'The server cannot be reached')
      // Asked again at once, whatever the page does by itself; it still says so.
      const again = page.waitForRequest('**/api/v1/session/link')
      await page.getByRole('button', { name: 'Try again' }).click()
      await again
      await says(page, 'The server cannot be reached')
      // By itself now: the page asks at most 36 s apart.
      await page.unroute('**/api/v1/session/link')
      await page.waitForSelector('[data-half=picture]', { timeout: 40_000 })
    }))

  await check('the call is away: its half says why, the picture goes on; back, it can be joined', async () => {
    const made = await linkOf()
    await guest('call-away-and-back', async (page) => {
      await enter(page, made.url)
      await page.waitForSelector('.is-playing', { timeout: 20_000 })
      await page.getByRole('button', { name: 'Join the call' }).waitFor()
      await api('POST', '/mode', { mode: 'report' })
      try {
        docker('stop', '--time', '1', containerOf('mirotalk'))
        // Asked in the moment before the page is told.
        const refused = await page.evaluate(async (slug) => (await fetch(`/api/v1/session/${slug}/call`, { method: 'POST' })).json(), world.room.slug)
        await says(page, 'The call is not available', 20_000)
        if (refused.type !== undefined) expect(refused.type, 'call-unavailable', 'the refusal')
        await untilFrames(page, 25)
        await accessible(page)
        await shoot(page, 'call-unavailable')
      } finally {
        await api('POST', '/mode', { mode: 'heal' })
      }
      await page.getByRole('button', { name: 'Join the call' }).click({ timeout: 30_000 })
      await page.frameLocator('iframe[title=Call]').getByText('joined', { exact: true }).waitFor({ timeout: 15_000 })
    })
  }, { within: 90_000 })

  await check('the way through a room with the keyboard alone', () =>
    guest('keyboard', async (page) => {
      const made = await roomWith('By keys')
      await page.goto(made.link.url)
      await page.getByLabel(/Your name/).waitFor()
      await page.keyboard.type('Kim')
      await page.keyboard.press('Enter')
      await says(page, /Waiting for the picture/)
      const focused = () => page.evaluate(() => (document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent ?? '').trim())
      for (let n = 0; n < 30 && (await focused()) !== 'Join the call'; n++) await page.keyboard.press('Tab')
      expect(await focused(), 'Join the call', 'what Tab reaches')
      await page.keyboard.press('i')
      await page.getByLabel('Picture quality', { exact: true }).waitFor()
      await page.keyboard.press('Escape')
      await page.getByLabel('Picture quality', { exact: true }).waitFor({ state: 'detached' })
      await page.keyboard.press('?')
      await page.locator('dialog').waitFor()
      await accessible(page)
      await page.keyboard.press('Escape')
      await page.locator('dialog').waitFor({ state: 'detached' })
      await page.keyboard.press('c')
      await page.waitForSelector('[data-call=hidden]')
      await page.keyboard.press('c')
      await page.waitForSelector('[data-call=shown]')
      for (let n = 0; n < 30 && (await focused()) !== 'Join the call'; n++) await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.frameLocator('iframe[title=Call]').getByText('joined', { exact: true }).waitFor({ timeout: 15_000 })
      await still(page)
    }))
}
