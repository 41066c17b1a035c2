// The portal's pages against the stack as it really is: preview, profiles,
// trouble and its fix, logs, files, journal, pause and apply.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { accessible, complaints, fits, says, shoot, still, transport, untilFrames } from './browser.mjs'
import { api, check, expect, guest, pages, roomWith, soon, until, watching, world } from './harness.mjs'
import { account } from './account.mjs'
import { ownRoom, people } from './people.mjs'
import { ADMIN, containerOf, docker, LIVE, simulate } from './stack.mjs'

const toRoom = async (page) => {
  await page.goto(`${ADMIN}/rooms/${world.room.id}`)
  await says(page, 'People and links')
}
const toStack = async (page) => {
  await page.goto(`${ADMIN}/stack`)
  await says(page, 'Journal')
}

export async function portal() {
  await check('the preview plays: 50 decoded frames on the portal’s own host, and nobody is counted as watching', async () => {
    const page = pages.desk
    await toRoom(page)
    // A busy machine may need more than the player's patience with WebRTC.
    for (let n = 0; n < 3 && (await transport(page)) !== 'webrtc'; n++) {
      if (n > 0) await page.getByRole('button', { name: 'Hide preview' }).click()
      await page.getByRole('button', { name: 'Show preview' }).waitFor({ timeout: 15_000 })
      const [asked] = await Promise.all([page.waitForResponse((answer) => answer.url().endsWith('/preview')), page.getByRole('button', { name: 'Show preview' }).click()])
      world.preview = await asked.json()
      expect(new URL(world.preview.webrtc).host, new URL(ADMIN).host, 'the host of the preview')
      await page.waitForSelector('.is-playing', { timeout: 15_000 })
    }
    expect(await transport(page), 'webrtc', 'the way of the preview')
    const seen = await untilFrames(page, 50)
    await watching(2)
    await shoot(page, 'room-preview')
    await accessible(page)
    return `${seen} decoded`
  })

  await check('the preview plays where WebRTC is blocked, too', async () => {
    const page = pages.desk
    await page.getByRole('button', { name: 'Hide preview' }).click()
    await simulate('ice', { open: false })
    try {
      await page.getByRole('button', { name: 'Show preview' }).click()
      await page.waitForSelector('.is-playing', { timeout: 15_000 })
      expect(await transport(page), 'llhls', 'the way of the preview')
      return `${await untilFrames(page, 25)} decoded`
    } finally {
      await simulate('ice', { open: true })
      await page.getByRole('button', { name: 'Hide preview' }).click()
    }
  })

  await check('a preview’s addresses open nothing for anybody else', async () => {
    const [, path] = world.preview.llhls.split(new URL(ADMIN).host)
    const below = path.slice(path.indexOf('/'))
    const status = (page, where) => page.evaluate(async (asked) => (await fetch(asked)).status, where)
    await guest('preview-thief', async (page) => {
      for (const host of [ADMIN, LIVE]) {
        await page.goto(`${host}/`)
        expect(await status(page, below), 401, `${host} without login and session`)
      }
    })
    const tab = await pages.desk.context().newPage()
    await tab.goto(`${LIVE}/`)
    expect(await status(tab, below), 401, 'the live host in the portal’s browser')
    await tab.goto(`${ADMIN}/`)
    expect(await status(tab, below.split('?')[0]), 401, 'the portal’s host with the login and without the ticket')
    await tab.close()
  })

  await check('a profile is chosen from a list, with what it is for', async () => {
    const page = pages.desk
    const choice = page.locator('select[name=profile]')
    expect(await choice.inputValue(), 'live', 'the profile')
    await says(page, /about 2 s behind where direct media is blocked, a keyframe every 1 s, sound at 128 kb\/s/)
  })

  await check('trouble at the encoder is named at the room, with its fix', async () => {
    const page = pages.desk
    const { publishers } = await simulate('sessions')
    const stream = publishers[0].stream
    const video = { type: 'video', codec: 'H264', width: 640, height: 360, framerate: 25, bitrate: 900_000, keyFrameInterval: 25 }
    const sound = { type: 'audio', codec: 'AAC', samplerate: 48_000, channel: 1, bitrate: 96_000 }
    await simulate('tracks', { stream, tracks: [{ ...video, hasBframes: true }, sound] })
    try {
      await says(page, 'The encoder sends B-frames.', 15_000)
      await says(page.getByLabel('Issues'), /Set B-frames to 0/)
      expect(await page.getByText('The encoder sends B-frames.').count(), 1, 'times that it is said')
      expect(new URL(await page.getByRole('link', { name: 'OBS profile with the right settings' }).getAttribute('href'), ADMIN).pathname, `/api/v1/rooms/${world.room.id}/obs`, 'the fix of the issue')
      await shoot(page, 'room-trouble')
      await pages.jonas.mouse.move(300, 120)
      await pages.jonas.keyboard.press('i')
      await says(pages.jonas, /Set B-frames to 0/, 10_000)
      await pages.jonas.keyboard.press('Escape')
    } finally {
      await simulate('tracks', { stream, tracks: [video, sound] })
    }
    await page.getByText('The encoder sends B-frames.').first().waitFor({ state: 'detached', timeout: 15_000 })
  })

  await check('the stack: three services wanted, running and healthy, and the plots of the last hour', async () => {
    const page = pages.desk
    await toStack(page)
    for (const role of ['Traefik', 'OvenMediaEngine', 'MiroTalk']) await page.getByRole('row', { name: new RegExp(`${role}.*as wanted.*running.*healthy`, 's') }).waitFor()
    // Each says once what it is, its age, and what was last done to it and why.
    await says(page.getByRole('row', { name: /MiroTalk 2\.3\.77/ }), new RegExp(`Last change .*: start ${containerOf('mirotalk')} · `))
    const plots = page.locator('figure')
    // They come after the rest.
    await plots.nth(2).waitFor()
    expect(await plots.count(), 3, 'plots')
    await says(plots.first(), '30 min')
    await page.waitForFunction(() => [...document.querySelectorAll('figure path[data-plot]')].every((path) => path.getAttribute('d').length > 10), undefined, { timeout: 25_000 })
    // One point every ten seconds.
    await says(plots.first(), /^2\b/, 25_000)
    await accessible(page)
    await still(page)
    await shoot(page, 'stack')
  })

  await check('the journal is filtered by service and by outcome', async () => {
    const page = pages.desk
    const lines = page.locator('section', { hasText: 'Journal' }).locator('li')
    const all = await lines.allTextContents()
    if (!all.some((line) => /traefik/.test(line))) throw new Error('Traefik is not in the journal')
    await page.getByLabel('Service', { exact: true }).selectOption('ovenmediaengine')
    // While it is asked for, the list is empty.
    await page.waitForFunction(() => {
      const told = [...document.querySelectorAll('section li')].map((line) => line.textContent)
      return told.some((line) => /container \S*ovenmediaengine/.test(line)) && !told.some((line) => /container \S*traefik/.test(line))
    })
    const some = await lines.allTextContents()
    if (some.length === 0 || some.length >= all.length || some.some((line) => /mirotalk|traefik/.test(line))) throw new Error(`of OvenMediaEngine: ${some.join(' | ')}`)
    await page.getByLabel('Outcome', { exact: true }).selectOption('failed')
    await says(page, 'Nothing of that kind.')
    await page.getByLabel('Service', { exact: true }).selectOption('')
    await page.getByLabel('Outcome', { exact: true }).selectOption('')
  })

  await check('a container’s log is followed live, without colours and without a secret', async () => {
    const page = pages.desk
    await page.locator('button[aria-pressed]', { hasText: 'OvenMediaEngine' }).click()
    await says(page, 'Following.')
    const log = page.getByLabel('Log of OvenMediaEngine')
    expect(/Received SIGHUP/.test(await log.textContent()), false, 'a line not said yet')
    docker('kill', '--signal', 'HUP', containerOf('ovenmediaengine'))
    await says(log, /Received SIGHUP signal/, 5000)
    const text = await log.textContent()
    const { key } = await api('GET', `/rooms/${world.room.id}/ingest`)
    // eslint-disable-next-line no-control-regex
    if (text.includes(key) || /sk_[a-z0-9]|ticket=[^•]|\u001b|\[3\dm/.test(text)) throw new Error('a secret or a colour is in the log')
    await log.scrollIntoViewIfNeeded()
    await shoot(page, 'stack-logs')
  })

  const generated = 'traefik/dynamic/colourstream.yml'
  const tamper = (line) => {
    const path = world.stack.rendered(generated)
    const text = readFileSync(path, 'utf8')
    rmSync(path)
    writeFileSync(path, `${text}${line}\n`)
  }
  const setMode = (mode) => api('POST', '/mode', { mode })

  await check('paused: a changed file is shown as a diff, and left alone; the issue’s own button resumes and mends it', async () => {
    const page = pages.desk
    await page.getByRole('button', { name: 'Pause', exact: true }).click()
    await page.locator('dialog').getByRole('button', { name: 'Pause' }).click()
    await says(page, /Paused/)
    tamper('# somebody was here')
    await toStack(page)
    await page.locator('button[aria-expanded]', { hasText: generated }).click()
    const diff = page.getByLabel(`Difference of ${generated}`)
    await says(diff, '-# somebody was here')
    await says(page, '− on disk')
    await diff.scrollIntoViewIfNeeded()
    await accessible(page)
    await shoot(page, 'stack-diff')
    await page.getByLabel('Issues').getByRole('button', { name: 'Resume' }).click()
    await says(page, 'Everything runs as wanted', 15_000)
    expect(readFileSync(world.stack.rendered(generated), 'utf8').includes('somebody was here'), false, 'the line that was written by hand')
    // The open page follows, without being loaded again.
    await says(page.locator('button[aria-expanded]', { hasText: generated }), 'as rendered')
    await says(page, 'No difference between what is wanted and what is on disk.')
  })

  await check('the plan is shown before it is carried out, and applied when asked, with whom it interrupts', async () => {
    const page = pages.desk
    await setMode('report')
    try {
      tamper('# and here')
      await toStack(page)
      await says(page, /Plan: 1 step/, 35_000)
      await says(page, /write traefik\/dynamic\/colourstream\.yml/)
      await says(page, 'Reporting only: differences are shown, not mended')
      await says(page, /waits until you resume or apply/)
      await page.getByRole('button', { name: 'Resume' }).first().waitFor()
      await shoot(page, 'stack-plan')
      await page.getByRole('button', { name: 'Apply now' }).click()
      await says(page.locator('dialog'), /interrupts nobody/)
      await page.locator('dialog').getByRole('button', { name: /Apply/ }).click()
      await says(page, 'Nothing to do: what runs is what is wanted.', 15_000)
    } finally {
      await setMode('heal')
    }
  })

  await check('a step that would cut a review waits; Apply now names who is live before it does it', async () => {
    const page = pages.desk
    const before = readFileSync(world.stack.settings, 'utf8')
    const set = (text) => {
      writeFileSync(`${world.stack.settings}.new`, text)
      renameSync(`${world.stack.settings}.new`, world.stack.settings)
    }
    await toStack(page)
    // Another profile is another application of OvenMediaEngine: it restarts.
    set(`${before}profiles:\n  - live\n  - name: late\n    chunk: 1s\n`)
    try {
      await says(page, /waits until nobody has been live/, 60_000)
      // Who is live is counted at each look, and the question stays as it was asked.
      await until(async () => (await api('GET', '/status')).live.viewers, 2, 'people watching at the last look', 60_000)
      await toStack(page)
      await says(page, /waits until nobody has been live/)
      await says(page, 'Something waits')
      await shoot(page, 'stack-waits')
      await page.getByRole('button', { name: 'Apply now' }).click()
      await says(page.locator('dialog'), /2 people are watching.* and 1 encoder is streaming\./)
      await accessible(page)
      await shoot(page, 'stack-apply')
      await page.locator('dialog').getByRole('button', { name: 'Cancel' }).click()
    } finally {
      set(before)
    }
    await says(page, 'Nothing to do: what runs is what is wanted.', 60_000)
    await says(page, 'Everything runs as wanted', 30_000)
    expect((await api('GET', '/status')).live.streams, 1, 'streams that went on')
  }, { within: 150_000 })

  await people()
  await ownRoom()
  await account()

  await check('settings: a token is shown once', async () => {
    const page = pages.desk
    await page.goto(`${ADMIN}/settings`)
    await says(page, 'API tokens')
    await page.getByRole('button', { name: 'New token' }).click()
    await page.locator('dialog [name=name]').fill('Board')
    await page.getByRole('button', { name: 'Make token' }).click()
    await says(page, /shown only now/)
    await accessible(page)
    await shoot(page, 'settings-token')
    // Neither its own edge nor the page beside it lets go of it.
    await page.mouse.click(20, 400)
    const box = await page.locator('dialog').boundingBox()
    await page.mouse.click(box.x + 4, box.y + 4)
    await says(page, /shown only now/)
    await page.getByRole('button', { name: 'Done' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
  })

  await check('every page of the portal holds in light and dark, and at 360 px', async () => {
    const page = pages.desk
    // A desk as it is on a working day.
    await roomWith('Halcyon trailer', { opens_at: soon(3 * 24 * 3600) })
    await roomWith('Saltmarsh – episode 2', { expires_at: soon(5 * 3600) })
    const old = await roomWith('Old spot')
    await api('POST', `/rooms/${old.room.id}/close`)
    const places = [['rooms', '/', 'New room'], ['room', `/rooms/${world.room.id}`, 'People and links'], ['stack', '/stack', 'Journal'], ['settings', '/settings', 'API tokens']]
    const wrong = []
    try {
      for (const scheme of ['dark', 'light']) {
        await page.emulateMedia({ colorScheme: scheme })
        for (const [width, height, size] of [[1280, 800, ''], [360, 740, '-360']]) {
          await page.setViewportSize({ width, height })
          for (const [name, path, words] of places) {
            await page.goto(`${ADMIN}${path}`)
            await says(page, words)
            await page.waitForTimeout(300)
            await shoot(page, `${name}-${scheme}${size}`)
            // All of them are seen and pictured, whatever one of them does wrong.
            for (const holds of [fits, still, accessible]) await holds(page).catch((error) => wrong.push(`${name}, ${scheme}, ${width} px: ${error.message}`))
          }
        }
      }
      // Where there is no side: who it is, and the way out.
      await page.getByRole('button', { name: 'You: Maya' }).click()
      await says(page, 'Maya · owner')
      await page.getByRole('menuitem', { name: 'Log out' }).waitFor()
      await accessible(page)
      await shoot(page, 'account-360')
      await page.keyboard.press('Escape')
    } finally {
      await page.setViewportSize({ width: 1280, height: 800 })
    }
    if (wrong.length > 0) throw new Error(wrong.join('\n'))
  })

  await check('the way through the portal with the keyboard alone', async () => {
    const page = pages.desk
    const reach = async (name) => {
      for (let n = 0; n < 60; n++) {
        const now = await page.evaluate(() => {
          const { activeElement: it } = document
          const seen = getComputedStyle(it)
          return { name: (it.getAttribute('aria-label') ?? it.textContent ?? '').trim(), ring: seen.outlineStyle !== 'none' || seen.boxShadow !== 'none' }
        })
        if (now.name.startsWith(name)) {
          if (!now.ring) throw new Error(`${name} has the focus and does not show it`)
          return
        }
        await page.keyboard.press('Tab')
      }
      throw new Error(`${name} is not reached by Tab`)
    }
    await page.goto(`${ADMIN}/`)
    await says(page, 'New room')
    await reach('Stack')
    await page.keyboard.press('Enter')
    await says(page, 'Journal')
    await reach('Rooms')
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => location.pathname === '/')
    await reach(world.room.title)
    await page.keyboard.press('Enter')
    await says(page, 'People and links')
    await reach('More for this room')
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem', { name: 'Close' }).waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    await says(page, 'Find a room')
    await page.keyboard.press('Escape')
    if (complaints.length > 0) throw new Error(complaints[0])
  })
}
