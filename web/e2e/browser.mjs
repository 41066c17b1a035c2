// Chromium that knows our hosts and no others, and what is asked of its pages.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { LIVE_PICTURES, PORTAL_PICTURES } from './pictures.mjs'
import { ADMIN, DOMAIN, LIVE } from './stack.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
export const SHOTS = at('../.cache/e2e')
const AXE = readFileSync(at('../node_modules/axe-core/axe.min.js'), 'utf8')
mkdirSync(SHOTS, { recursive: true })

// Every host that was asked for, and every complaint of a page.
export const hosts = new Map()
export const complaints = []

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic',
      // Ours lead to this machine; every other name does not exist.
      '--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND', '--ignore-certificate-errors',
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--autoplay-policy=no-user-gesture-required', '--force-color-profile=srgb', '--mute-audio',
    ],
  })
}

/**
 * The maker of the stand-in's WebRTC media: a browser of its own, which sends
 * real H.264 through the stand-in's ICE ports. Nobody's page ever talks to it.
 */
export async function launchMedia(address) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-features=WebRtcHideLocalIpsWithMdns', '--autoplay-policy=no-user-gesture-required', '--mute-audio'],
  })
  const page = await browser.newPage()
  await page.goto(`${address}/media`)
  await page.waitForFunction(() => document.title === 'Media: attached')
  return browser
}

// Keeps every connection of a page at hand, for its statistics.
const KEEP_PEERS = () => {
  const Real = window.RTCPeerConnection
  window.peers = []
  window.RTCPeerConnection = class extends Real {
    constructor(...given) {
      super(...given)
      window.peers.push(this)
    }
  }
}

// Everything that moved by itself, with what it was.
const KEEP_SHIFTS = () => {
  window.shifts = []
  new PerformanceObserver((list) => {
    for (const shift of list.getEntries()) {
      if (shift.hadRecentInput || shift.value < 0.0005) continue
      window.shifts.push(`${shift.value.toFixed(4)} ${shift.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? node?.textContent?.slice(0, 40)).join(', ')}`)
    }
  }).observe({ type: 'layout-shift', buffered: true })
}

/** A browser profile of one person. */
export async function person(browser, name, { size = [1280, 800], scheme = 'dark' } = {}) {
  const context = await browser.newContext({ viewport: { width: size[0], height: size[1] }, colorScheme: scheme, ignoreHTTPSErrors: true, locale: 'en-GB', timezoneId: 'Europe/Berlin' })
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: ADMIN })
  await context.grantPermissions(['camera', 'microphone'], { origin: LIVE })
  context.setDefaultTimeout(10_000)
  if (process.env.COLOURSTREAM_E2E_DIST) await otherPages(context, process.env.COLOURSTREAM_E2E_DIST)
  await context.addInitScript(KEEP_PEERS)
  await context.addInitScript(KEEP_SHIFTS)
  const page = await context.newPage()
  page.on('request', (request) => note(request.url(), name))
  page.on('websocket', (socket) => note(socket.url(), name))
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`))
  page.on('console', (message) => {
    if (/Content Security Policy|third-party|Mixed Content/i.test(message.text())) complaints.push(`${name}: ${message.text().slice(0, 240)}`)
  })
  return page
}

function note(address, who) {
  const { protocol, hostname } = new URL(address)
  if (/^(https?|wss?):$/.test(protocol)) hosts.set(hostname, who)
}

export const strangers = () => [...hosts].filter(([host]) => host !== DOMAIN && !host.endsWith(`.${DOMAIN}`)).map(([host, who]) => `${host} (${who})`)

// The files of another build in the controller's own pages, under its own
// headers: for trying a build without compiling the controller again. The page
// stays the controller's; an entry it names leads to the same one of that build.
async function otherPages(context, dist) {
  const kinds = { '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }
  const names = readdirSync(join(dist, 'assets'))
  const stem = (name) => name.slice(0, -9 - extname(name).length) + extname(name)
  for (const origin of [LIVE, ADMIN]) {
    await context.route(`${origin}/assets/**`, (route) => {
      const name = basename(new URL(route.request().url()).pathname)
      const contentType = kinds[extname(name)]
      if (names.includes(name)) return route.fulfill({ path: join(dist, 'assets', name), contentType })
      const other = names.find((one) => stem(one) === stem(name))
      if (!other) return route.fulfill({ status: 200, contentType, body: '' })
      if (extname(name) === '.js') return route.fulfill({ contentType, body: `import './${other}'` })
      return route.fulfill({ path: join(dist, 'assets', other), contentType })
    })
  }
}

// Those that the README and the documentation show, when asked to be renewed.
const SHOWN = {
  ...LIVE_PICTURES,
  ...PORTAL_PICTURES,
}
const DOCS = process.env.COLOURSTREAM_E2E_SCREENS ? at('../../docs/screens') : null

/** A picture of the page, for whoever looks into a failure or at the documentation. */
export async function shoot(page, name) {
  const picture = await page.screenshot({ animations: 'disabled' }).catch(() => null)
  if (!picture) return
  writeFileSync(`${SHOTS}/${name}.png`, picture)
  if (DOCS && SHOWN[name]) writeFileSync(`${DOCS}/${SHOWN[name]}.png`, picture)
}

/** Frames the browser has decoded of the picture on this page. */
export const frames = (page) => page.evaluate(() => document.querySelector('.picture-box.is-playing video, .is-playing video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0)

/** How the picture on this page comes: 'webrtc', 'llhls', or null while there is none. */
export const transport = (page) =>
  page.evaluate(() => {
    const video = document.querySelector('.is-playing video')
    return video ? (video.srcObject ? 'webrtc' : 'llhls') : null
  })

/** What the browser's own statistics say of the picture it gets over WebRTC. */
export const statistics = (page) =>
  page.evaluate(async () => {
    const peer = window.peers.findLast((one) => one.connectionState === 'connected')
    if (!peer) return null
    const all = [...(await peer.getStats()).values()]
    const picture = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'video')
    const pair = all.find((one) => one.type === 'candidate-pair' && one.nominated && one.state === 'succeeded')
    const there = all.find((one) => one.id === pair?.remoteCandidateId)
    return { decoded: picture.framesDecoded, codec: all.find((one) => one.id === picture.codecId)?.mimeType, protocol: there?.protocol, port: there?.port }
  })

export async function untilFrames(page, more, timeout = 20_000) {
  const from = await frames(page)
  const until = Date.now() + timeout
  for (;;) {
    const now = await frames(page)
    if (now >= from + more || (now < from && now >= more)) return now
    if (Date.now() > until) throw new Error(`${now - from} of ${more} frames in ${timeout / 1000} s`)
    await page.waitForTimeout(100)
  }
}

/** A page that fell back to the compatible picture, made anew. */
export async function untilWebRtc(page) {
  for (let n = 0; n < 4; n++) {
    await page.waitForSelector('.is-playing', { timeout: 15_000 })
    if ((await transport(page)) === 'webrtc') return
    await page.reload()
  }
  throw new Error('no WebRTC in four tries')
}

export const says = (page, text, timeout = 10_000) => page.getByText(text).first().waitFor({ timeout })

/** Serious and lesser rules alike; frames of others are theirs. */
export async function accessible(page) {
  await page.evaluate(AXE)
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'], iframes: false }))
  if (found.violations.length > 0) throw new Error(found.violations.map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 120)} (${one.nodes[0].any[0]?.message ?? one.help})`).join('; '))
}

/** Nothing on this page moved by itself since it was loaded. */
export async function still(page) {
  const shifts = await page.evaluate(() => window.shifts)
  if (shifts.length > 0) throw new Error(`moved by itself: ${shifts.slice(0, 4).join('; ')}`)
}

/** Nothing is wider than the window. */
export async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (wide > 0) throw new Error(`${wide} px wider than the window`)
}

/**
 * Everything beside the picture is an exact grey; the three state colours are
 * dots and thin lines.
 */
export async function greys(page) {
  const coloured = await page.evaluate(() => {
    const STATES = ['229,72,77', '48,164,108', '245,165,36']
    const COLOURS = ['color', 'background-color', 'border-top-color', 'border-right-color', 'border-bottom-color', 'border-left-color', 'outline-color', 'text-decoration-color', 'caret-color', 'box-shadow', 'text-shadow', 'fill', 'stroke', 'background-image']
    const found = []
    for (const element of document.querySelectorAll('body, body *:not(.picture-box *, script, noscript)')) {
      const look = getComputedStyle(element)
      for (const name of COLOURS) {
        const value = look.getPropertyValue(name)
        // A border that is not drawn has a colour all the same.
        if (name.startsWith('border-') && look.getPropertyValue(name.replace('color', 'width')) === '0px') continue
        if (/gradient|url/.test(value)) found.push(`${name} ${value} of ${element.outerHTML.slice(0, 60)}`)
        for (const [, red, green, blue, alpha] of value.matchAll(/rgba?\((\d+),? (\d+),? (\d+)(?:[,/ ]+([\d.]+))?\)/g)) {
          if (alpha === '0' || (red === green && green === blue)) continue
          const isState = STATES.includes([red, green, blue].join(','))
          const { width, height } = element.getBoundingClientRect()
          const isDot = name !== 'color' && width <= 8 && height <= 8
          const isLine = name === 'border-left-color' && Number.parseFloat(look.borderLeftWidth) <= 2
          if (!(isState && (isDot || isLine || (width === 0 && height === 0)))) found.push(`${name} ${value} of ${element.outerHTML.slice(0, 80)}`)
        }
      }
    }
    return found
  })
  if (coloured.length > 0) throw new Error(`coloured: ${coloured.slice(0, 4).join('; ')}`)
}

/** The bar of the room has come, or gone by itself. */
export const bar = (page, shown) => page.waitForSelector(`[data-shown=${shown}]`, { timeout: 6000, state: 'attached' })

/**
 * A click in the bar of the room: it comes with movement, and after 3 s without
 * it is out of a mouse's reach. So the mouse moves (a place it is at already
 * would be no movement), and nothing comes between that and the click.
 */
export async function press(page, button) {
  stirs += 1
  await page.mouse.move(300 + (stirs % 5) * 8, 120)
  await button.click()
}
let stirs = 0

/** Half and half to the pixel, full width, no gap, no scroll bar. */
export async function halves(page) {
  const { width, height } = page.viewportSize()
  const found = await page.evaluate(() => {
    const box = (selector) => document.querySelector(selector)?.getBoundingClientRect().toJSON() ?? null
    const root = document.documentElement
    return { picture: box('[data-half=picture]'), call: box('[data-half=call]'), video: box('.is-playing video'), frame: box('[data-half=call] iframe'), bars: root.scrollHeight > innerHeight || root.scrollWidth > innerWidth }
  })
  const { picture, call, video, frame, bars } = found
  const wrong = []
  const same = (what, is, wanted) => Math.abs(is - wanted) < 0.01 || wrong.push(`${what} is ${is}, not ${wanted}`)
  same('top of the picture', picture.top, 0)
  same('left of the picture', picture.left, 0)
  same('width of the picture', picture.width, width)
  same('width of the call', call.width, width)
  same('height of the picture', picture.height, height / 2)
  same('top of the call', call.top, picture.bottom)
  same('bottom of the call', call.bottom, height)
  if (video) same('width of the player', video.width, width)
  if (video) same('height of the player', video.height, height / 2)
  if (frame) same('width of the call frame', frame.width, width)
  if (frame) same('height of the call frame', frame.height, height / 2)
  if (bars) wrong.push('there are scroll bars')
  if (wrong.length > 0) throw new Error(wrong.join('; '))
}
