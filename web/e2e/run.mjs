// The whole way in a real browser against the real controller: set up, make a
// room, publish, watch, talk, close, and every door that stays shut.
//
//   npm run e2e      ends with "N passed, N failed"; pictures in .cache/e2e/
//
//   COLOURSTREAM_BIN        the controller under test
//   COLOURSTREAM_E2E_PARTS  only these after the room stands (webrtc,controls,portal,ending,doors)
//   COLOURSTREAM_E2E_SCREENS  renews docs/screens from this run
//   COLOURSTREAM_E2E_DIST   pages of this folder instead of those in the binary
import { complaints, launch, launchMedia, strangers } from './browser.mjs'
import { controls } from './controls.mjs'
import { desk } from './desk.mjs'
import { doors } from './doors.mjs'
import { check, tally, world } from './harness.mjs'
import { portal } from './portal.mjs'
import { ending, room } from './room.mjs'
import { endChildren, simulator, startStack } from './stack.mjs'
import { webrtc } from './webrtc.mjs'

const PARTS = (process.env.COLOURSTREAM_E2E_PARTS ?? 'webrtc,controls,portal,ending,doors').split(',')

async function run() {
  await check('the controller brings the stack up', async () => {
    world.stack = await startStack()
    world.browser = await launch()
    world.media = await launchMedia(simulator())
  }, { needed: true, within: 150_000 })

  await desk()
  await room()
  // Each of these stands on the room above, and on nothing of the others.
  for (const [name, part] of Object.entries({ webrtc, controls, portal, ending, doors })) if (PARTS.includes(name)) await part()

  await check('nothing was asked of any other host', async () => {
    if (strangers().length > 0) throw new Error(strangers().join(', '))
  })
  await check('no page broke its policy or threw an error', async () => {
    if (complaints.length > 0) throw new Error([...new Set(complaints)].join('\n'))
  })
}

const overall = setTimeout(() => {
  tally.skips ??= 'the run took more than 16 minutes'
}, 960_000)
let interrupted = false
// A page that is gone may still be asked something; the run goes on.
process.on('unhandledRejection', (error) => complaints.push(`the run: ${String(error?.message ?? error).split('\n')[0]}`))
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    interrupted = true
    tally.skips = 'it was interrupted'
    world.browser?.close().catch(() => {})
  })
}
try {
  await run()
} catch (error) {
  tally.failed += 1
  console.log(`not ok - the run itself\n    ${error.stack}`)
} finally {
  clearTimeout(overall)
  await world.encoder?.stop()
  await world.browser?.close().catch(() => {})
  await world.media?.close().catch(() => {})
  const down = await world.stack?.stop()
  await endChildren()
  if (down && down.code !== 0) {
    tally.failed += 1
    console.log(`not ok - taking everything down\n    ${down.said.trim().split('\n').slice(-4).join('\n    ')}`)
  }
}
console.log(`${tally.passed} passed, ${tally.failed} failed`)
process.exitCode = tally.failed > 0 || tally.passed === 0 || interrupted ? 1 : 0
