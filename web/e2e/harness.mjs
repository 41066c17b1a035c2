// What every check stands on: the run's sums, the people in it, the portal's API.
import { person, shoot } from './browser.mjs'

export const PASSWORD = 'a grey card and a candle'
export const tally = { passed: 0, failed: 0, skips: null }
/** Who is here: the stack, the browser, the encoder of the room, everybody's page. */
export const world = { stack: null, browser: null, media: null, encoder: null, room: null, link: '' }
export const pages = {}

/** One thing that must hold. What the rest stands on ends the run when it does not. */
export async function check(name, act, { needed = false, within = 60_000 } = {}) {
  if (tally.skips) {
    tally.failed += 1
    console.log(`not ok - ${name} # not reached: ${tally.skips}`)
    return
  }
  const from = Date.now()
  let timer
  try {
    const late = new Promise((_, no) => {
      timer = setTimeout(() => no(new Error(`not done within ${within / 1000} s`)), within)
    })
    const told = await Promise.race([act(), late])
    tally.passed += 1
    console.log(`ok - ${name} (${((Date.now() - from) / 1000).toFixed(1)} s${told ? `, ${told}` : ''})`)
  } catch (error) {
    tally.failed += 1
    console.log(`not ok - ${name}\n    ${String(error.message ?? error).split('\n').slice(0, 30).join('\n    ')}`)
    for (const [who, page] of Object.entries(pages)) await shoot(page, `failed-${tally.failed}-${who}`)
    if (needed) tally.skips = name
  } finally {
    clearTimeout(timer)
  }
}

export const expect = (is, wanted, what) => {
  if (is !== wanted) throw new Error(`${what} is ${JSON.stringify(is)}, not ${JSON.stringify(wanted)}`)
}

/** The same of what settles in its own time, and stays. */
export async function until(read, wanted, what, within = 5000) {
  const end = Date.now() + within
  for (;;) {
    const is = await read()
    if (is === wanted) return
    if (Date.now() > end) expect(is, wanted, what)
    await new Promise((done) => setTimeout(done, 50))
  }
}

/** A call of the API with the portal's own login. */
export const api = (method, path, body) =>
  pages.desk.evaluate(
    async ([verb, where, payload]) => {
      const answer = await fetch(`/api/v1${where}`, { method: verb, headers: { 'if-match': '*', ...(payload ? { 'content-type': 'application/json' } : {}) }, body: payload ? JSON.stringify(payload) : undefined })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${verb} ${where}: ${answer.status} ${text}`)
      return text ? JSON.parse(text) : null
    },
    [method, path, body],
  )
export const roomWith = async (title, more = {}) => (await api('POST', '/rooms', { title, link: { name: '', role: 'viewer' }, ...more }))
/** So many watch the room: who went over HTTP is gone 10 s later. */
export const watching = (people) => until(async () => (await api('GET', `/rooms/${world.room.id}`)).live.viewers, people, 'people watching', 30_000)
export const soon = (seconds) => new Date(Date.now() + seconds * 1000).toISOString()

/** A fresh browser of a guest, for one question. */
export async function guest(name, act, options) {
  const page = await person(world.browser, name, options)
  pages[name] = page
  try {
    return await act(page)
  } finally {
    // How it ended; `ends: false` where its picture was taken before.
    if (options?.ends !== false) await shoot(page, name)
    delete pages[name]
    await page.context().close()
  }
}

export async function enter(page, link, name) {
  if (link) await page.goto(link)
  // A link made for somebody knows their name.
  if (name) {
    await page.getByLabel(/Your name/).fill(name)
    await page.getByRole('button', { name: 'Enter the room' }).click()
  }
  await page.waitForSelector('[data-half=picture]')
}
