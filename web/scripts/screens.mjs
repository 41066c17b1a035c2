// Drives Chromium through every page and state: measures the halves, runs the
// accessibility check, refuses any request to a third party, takes pictures.
//
//   npm run screens            pictures of all states to .cache/screens/
//   npm run screens room       only steps whose name contains "room"
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { start } from '../mock/server.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const ALL = at('../.cache/screens')
const AXE = readFileSync(at('../node_modules/axe-core/axe.min.js'), 'utf8')
const SIZES = { desktop: [1440, 900], tablet: [820, 1180], phone: [390, 844], lying: [844, 390], narrow: [360, 740] }
const wanted = process.argv[2] ?? ''

execFileSync('npx', ['vite', 'build', '--mode', 'mock', '--logLevel', 'warn'], { cwd: at('..'), stdio: 'inherit' })
mkdirSync(ALL, { recursive: true })

const mock = await start({ port: 0, dist: at('../.cache/dist') })
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required', '--force-color-profile=srgb', '--mute-audio',
  ],
})
const failures = []
const problem = (step, text) => {
  failures.push(`${step}: ${text}`)
  console.error(`  ✗ ${step}: ${text}`)
}

/** One page at one size: opened, acted on, checked, pictured. */
async function step(name, { host = 'live', path = '/', size = 'desktop', scheme = 'dark', world = {}, act, halves = false, wait, axe = true, storage = {} }) {
  if (!name.includes(wanted)) return
  Object.assign(mock.world, { auth: 'in', rooms: 'some', stack: 'ready', role: 'owner', conflict: false }, world)
  const [width, height] = SIZES[size]
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, hasTouch: size === 'phone' || size === 'lying', reducedMotion: 'reduce', locale: 'en-GB', permissions: host === 'admin' ? ['clipboard-read', 'clipboard-write'] : ['camera', 'microphone'] })
  const page = await context.newPage()
  const origin = `http://${host}.localhost:${mock.port}`
  page.on('pageerror', (error) => problem(name, `page error: ${error.message}`))
  page.on('console', (message) => {
    // A refused door is part of the story; a broken policy or key is not.
    if (message.type() === 'error' && !/status of (401|403|404|412|429)/.test(message.text())) problem(name, `console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const where = new URL(request.url())
    if (/^https?:$/.test(where.protocol) && !where.hostname.endsWith('.localhost')) problem(name, `asks a third party: ${where.hostname}`)
  })
  await page.addInitScript((items) => {
    for (const [key, value] of Object.entries(items)) localStorage.setItem(key, value)
  }, storage)
  try {
    await page.goto(origin + path)
    if (wait) await page.waitForSelector(wait, { timeout: 8000 })
    if (act) await act(page)
    await page.waitForTimeout(350)
    if (halves) await measure(name, page, height)
    await noSideways(name, page)
    if (axe) await accessible(name, page)
    await shoot(name, page)
    console.log(`  ✓ ${name}`)
  } catch (error) {
    problem(name, String(error).split('\n')[0])
    await page.screenshot({ path: `${ALL}/${name}-failed.png` }).catch(() => {})
  }
  await context.close()
}

async function measure(name, page, height) {
  const found = await page.evaluate(() => {
    const box = (which) => document.querySelector(`[data-half=${which}]`).getBoundingClientRect().toJSON()
    const root = document.documentElement
    return { picture: box('picture'), call: box('call'), bars: root.scrollHeight > innerHeight || root.scrollWidth > innerWidth, stage: document.querySelector('.picture-box')?.getBoundingClientRect().toJSON() ?? null }
  })
  const { picture, call, bars, stage } = found
  if (picture.top !== 0 || picture.left !== 0) problem(name, `the picture does not begin at 0,0: ${JSON.stringify(picture)}`)
  if (picture.height !== height / 2 || call.height !== height / 2) problem(name, `halves are ${picture.height} + ${call.height} of ${height}`)
  if (call.top !== picture.bottom) problem(name, `gap of ${call.top - picture.bottom}`)
  if (picture.width !== call.width || picture.width !== page.viewportSize().width) problem(name, 'not full width')
  if (bars) problem(name, 'scroll bars')
  if (stage && (stage.height !== picture.height || stage.width !== picture.width)) problem(name, `the player is ${stage.width}×${stage.height}`)
}

async function noSideways(name, page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (over > 0) problem(name, `${over} px too wide`)
}

async function accessible(name, page) {
  // By the debugger, so that the page's own policy stays in force.
  await page.evaluate(AXE)
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'], iframes: false }))
  for (const one of found.violations) problem(name, `axe ${one.id}: ${one.nodes[0].html.slice(0, 140)} (${one.nodes[0].any[0]?.message ?? one.help})`)
}

const shoot = (name, page) => page.screenshot({ path: `${ALL}/${name}.png`, animations: 'disabled' })

const still = (page) => page.waitForTimeout(3300)
const playing = '.picture-box.is-playing'

// ---- Live page
for (const size of ['desktop', 'tablet', 'phone']) {
  await step(`room-${size}`, { path: '/northlight', size, wait: playing, halves: true, act: (page) => page.mouse.move(200, 100) })
  await step(`room-waiting-${size}`, { path: '/waiting', size, wait: 'text=Waiting for the picture', halves: true })
}
await step('room-still', { path: '/northlight', wait: playing, halves: true, act: still })
await step('room-call', { path: '/northlight', wait: playing, halves: true, axe: false, act: async (page) => {
  await page.click('text=Join the call')
  await page.waitForSelector('iframe')
  await page.keyboard.press('m')
  await still(page)
} })
await step('room-call-left', { path: '/northlight', wait: playing, halves: true, act: async (page) => {
  await page.click('text=Join the call')
  await page.frameLocator('iframe').locator('#leave').click()
  await page.waitForSelector('text=You left the call')
} })
await step('room-call-away', { path: '/no-call', wait: playing, halves: true })
await step('room-lying', { path: '/northlight', size: 'lying', wait: playing, act: (page) => page.mouse.move(300, 100) })
await step('room-lying-call', { path: '/northlight', size: 'lying', wait: playing, act: async (page) => page.click('[aria-label="To the call"]') })
await step('room-call-hidden', { path: '/northlight', wait: playing, act: (page) => page.keyboard.press('c') })
await step('room-quality', { path: '/northlight', wait: playing, act: async (page) => {
  await page.keyboard.press('i')
  await page.waitForSelector('text=Plays every frame', { timeout: 8000 })
} })
await step('room-quality-trouble', { path: '/b-frames', size: 'phone', wait: playing, act: async (page) => {
  await page.keyboard.press('i')
  await page.waitForTimeout(2500)
} })
await step('room-people', { path: '/northlight', wait: playing, act: (page) => page.click('[aria-label*="who is here"]') })
await step('room-help', { path: '/northlight', wait: playing, act: (page) => page.keyboard.press('?') })
await step('room-divider', { path: '/northlight', wait: playing, act: async (page) => {
  await page.mouse.move(700, 450)
  await page.mouse.down()
  await page.mouse.move(700, 560, { steps: 4 })
} })
await step('room-watermark', { path: '/marked', wait: playing, act: still })
await step('room-watermark-phone', { path: '/marked', size: 'phone', wait: playing, act: still })
await step('room-watermark-removed', { path: '/marked', wait: playing, act: async (page) => {
  await page.evaluate(() => document.querySelector('[data-watermark]').remove())
  await page.waitForSelector('text=The watermark was removed')
} })
await step('room-devices', { path: '/northlight', wait: playing, act: async (page) => {
  await page.click('text=Check camera and sound')
  await page.waitForTimeout(2500)
} })
await step('room-stopped', { path: '/northlight', wait: playing, halves: true, act: async (page) => {
  const visit = await page.evaluate(() => fetch('/api/v1/session/waiting').then((r) => r.json()))
  await page.evaluate((v) => fetch('/mock/push', { method: 'POST', body: JSON.stringify({ event: 'visit', payload: v }) }), { ...visit, slug: 'northlight' })
  await page.waitForSelector('text=The stream has ended')
} })
await step('room-ended', { path: '/northlight', wait: playing, act: async (page) => {
  await page.evaluate(() => fetch('/mock/push', { method: 'POST', body: JSON.stringify({ event: 'ended', payload: { reason: 'room-closed' } }) }))
  await page.waitForSelector('text=The room is closed')
} })
await step('door', { path: '/', wait: 'text=Enter a room' })
await step('door-phone', { path: '/door', size: 'phone', wait: 'text=Enter a room' })
await step('door-lying', { path: '/door', size: 'lying', wait: 'text=Enter a room' })
const knock = (passcode) => async (page) => {
  await page.fill('[name=room]', 'northlight')
  await page.fill('[name=passcode]', passcode)
  await page.fill('[name=name]', 'Sam')
  await page.click('button:has-text("Enter")')
  await page.waitForSelector('#entry-problem span')
}
await step('door-wrong', { path: '/', wait: 'text=Enter a room', act: knock('wrong') })
await step('door-many', { path: '/', wait: 'text=Enter a room', act: knock('many') })
for (const token of ['unknown', 'expired', 'revoked', 'used', 'full', 'closed']) {
  await step(`link-${token}`, { path: `/j#${token}`, wait: 'h1', size: token === 'full' ? 'phone' : 'desktop' })
}
await step('link-new', { path: '/j#new', wait: 'text=Your name' })
await step('link-clears-the-token', { path: '/j#good', wait: playing, act: async (page) => {
  const url = new URL(page.url())
  if (url.pathname !== '/northlight' || url.hash !== '') throw new Error(`the address is ${url}`)
} })
await step('not-open', { path: '/halcyon', wait: 'text=This room opens' })
await step('not-open-phone', { path: '/halcyon', size: 'phone', wait: 'text=This room opens' })
await step('left', { path: '/left', wait: 'text=You left the call' })

// ---- Portal
const desk = { host: 'admin' }
for (const scheme of ['light', 'dark']) {
  await step(`rooms-${scheme}`, { ...desk, scheme, wait: 'text=Northlight'})
  await step(`room-page-${scheme}`, { ...desk, scheme, path: '/rooms/r1', wait: 'text=Jonas Weber'})
  await step(`stack-${scheme}`, { ...desk, scheme, path: '/stack', wait: 'text=OvenMediaEngine' })
  await step(`stack-degraded-${scheme}`, { ...desk, scheme, path: '/stack', wait: 'text=The call does not answer', world: { stack: 'degraded' }})
  await step(`settings-${scheme}`, { ...desk, scheme, path: '/settings', wait: 'text=Theo Brandt' })
  await step(`login-${scheme}`, { ...desk, scheme, wait: 'text=Log in', world: { auth: 'out' } })
}
for (const size of ['narrow', 'phone', 'tablet']) {
  await step(`rooms-${size}`, { ...desk, size, scheme: 'light', wait: 'text=Northlight'})
  await step(`room-page-${size}`, { ...desk, size, scheme: 'light', path: '/rooms/r1', wait: 'text=Jonas Weber' })
  await step(`stack-${size}`, { ...desk, size, scheme: 'light', path: '/stack', wait: 'text=The call does not answer', world: { stack: 'degraded' } })
  await step(`settings-${size}`, { ...desk, size, scheme: 'light', path: '/settings', wait: 'text=Theo Brandt' })
}
await step('rooms-hover', { ...desk, scheme: 'light', wait: 'text=Northlight', act: async (page) => {
  await page.hover('li:has-text("Northlight")')
  await page.click('[aria-label^="More for Northlight"]')
} })
await step('rooms-empty', { ...desk, scheme: 'light', wait: 'text=No rooms yet', world: { rooms: 'none' } })
await step('room-new', { ...desk, scheme: 'light', wait: 'text=Northlight', act: async (page) => {
  await page.keyboard.press('n')
  await page.keyboard.type('Northlight – reel 4')
} })
await step('room-made', { ...desk, scheme: 'light', wait: 'text=Northlight', act: async (page) => {
  await page.keyboard.press('n')
  await page.keyboard.type('Northlight – reel 4')
  await page.keyboard.press('Enter')
  await page.waitForSelector('text=is on your clipboard')
  const text = await page.evaluate(() => navigator.clipboard.readText())
  if (!text.includes('/j#')) throw new Error(`the clipboard holds "${text}"`)
} })
await step('room-keys', { ...desk, scheme: 'light', path: '/rooms/r1', wait: 'text=Jonas Weber', act: async (page) => {
  await page.click('text=Addresses and key')
  await page.waitForSelector('text=RTMPS')
  await page.locator('text=Send the picture').scrollIntoViewIfNeeded()
  await page.evaluate(() => window.scrollTo(0, 700))
} })
await step('room-close', { ...desk, scheme: 'light', path: '/rooms/r1', wait: 'text=Jonas Weber', act: async (page) => {
  await page.click('[aria-label="More for this room"]')
  await page.click('[role=menuitem]:has-text("Close")')
  await page.waitForSelector('dialog')
} })
await step('room-conflict', { ...desk, scheme: 'light', path: '/rooms/r1', wait: 'text=Jonas Weber', world: { conflict: true }, act: async (page) => {
  await page.fill('[name=viewer_cap]', '12')
  await page.click('button:has-text("Save")')
  await page.waitForSelector('text=Somebody changed this room meanwhile')
  await page.click('text=Load theirs')
  await page.waitForFunction(() => document.querySelector('[name=title]').value.endsWith('3b'))
  if ((await page.inputValue('[name=viewer_cap]')) !== '12') throw new Error('what was typed is lost')
  await page.click('button:has-text("Save")')
  await page.waitForSelector('text=Saved')
} })
await step('room-preview', { ...desk, scheme: 'dark', path: '/rooms/r1', wait: 'text=Jonas Weber', world: { list: (await import('../mock/data.mjs')).rooms() }, act: async (page) => {
  await page.click('text=Show preview')
  await page.waitForSelector(playing)
} })
await step('room-settings', { ...desk, scheme: 'light', path: '/rooms/r1', wait: 'text=Settings of the room', act: (page) => page.evaluate(() => document.querySelector('[name=slug]').scrollIntoView({ block: 'center' })) })
await step('room-gone', { ...desk, scheme: 'light', path: '/rooms/none', wait: 'text=does not exist' })
await step('stack-logs', { ...desk, scheme: 'dark', path: '/stack', wait: 'text=Journal', act: async (page) => {
  await page.click('text=ovenmediaengine/Server.xml')
  await page.click('button[aria-pressed]:has-text("OvenMediaEngine")')
  await page.waitForSelector('text=Following')
  await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
} })
await step('stack-apply', { ...desk, scheme: 'light', path: '/stack', wait: 'text=The call does not answer', world: { stack: 'degraded' }, act: (page) => page.click('button:has-text("Apply now")') })
await step('settings-token', { ...desk, scheme: 'light', path: '/settings', wait: 'text=Theo Brandt', act: async (page) => {
  await page.click('text=New token')
  await page.fill('[name=name]', 'Board')
  await page.click('text=Make token')
  await page.waitForSelector('text=shown only now')
} })
await step('setup', { ...desk, scheme: 'light', path: '/setup#once', world: { auth: 'setup' }, wait: 'text=Begin' })
await step('setup-without', { ...desk, scheme: 'light', path: '/', world: { auth: 'setup' }, wait: 'text=set-up link' })
await step('login-wrong', { ...desk, scheme: 'light', world: { auth: 'out' }, wait: 'text=Log in', act: async (page) => {
  await page.fill('[name=name]', 'maya')
  await page.fill('[name=password]', 'wrong')
  await page.click('button:has-text("Log in")')
  await page.waitForSelector('[role=alert]')
} })

// ---- The real bundle: the real player under the real policy, with a media
// server that refuses WebRTC. It asks for LLHLS in time and breaks no rule.
if ('real-player'.includes(wanted)) {
  execFileSync('npx', ['vite', 'build', '--logLevel', 'warn'], { cwd: at('..'), stdio: 'inherit' })
  const real = await start({ port: 0 })
  const page = await browser.newPage()
  page.on('console', (message) => /Content Security Policy/.test(message.text()) && problem('real-player', message.text().slice(0, 200)))
  page.on('pageerror', (error) => problem('real-player', error.message))
  const socket = page.waitForEvent('websocket').then(() => Date.now())
  const fallback = page.waitForRequest(/llhls\.m3u8/).then(() => Date.now())
  await page.goto(`http://live.localhost:${real.port}/northlight`)
  const took = (await fallback) - (await socket)
  if (took > 3000) problem('real-player', `LLHLS was asked for ${took} ms after WebRTC`)
  else console.log(`  ✓ real-player (LLHLS asked for ${took} ms after WebRTC was refused)`)
  await page.close()
  await real.close()
}

await browser.close()
await mock.close()
if (failures.length > 0) {
  console.error(`\n${failures.length} problems:\n${failures.join('\n')}`)
  process.exitCode = 1
} else {
  console.log('\nHalves, accessibility, policy and third parties: all as they should be.')
  rmSync(`${ALL}/failed`, { force: true, recursive: true })
}
