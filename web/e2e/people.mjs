// The portal's rooms and links: who is there before there is a picture, whom
// each action puts out, and everything that can be done to a room.
import { accessible, person, says, shoot } from './browser.mjs'
import { api, check, enter, expect, pages, roomWith, world } from './harness.mjs'
import { ADMIN, LIVE } from './stack.mjs'

const dialog = () => pages.desk.locator('dialog')
const clipboard = () => pages.desk.evaluate(() => navigator.clipboard.readText())
const more = async (item) => {
  await pages.desk.getByRole('button', { name: 'More for this room' }).click()
  await pages.desk.getByRole('menuitem', { name: item, exact: true }).click()
}
const toRoom = async (id) => {
  await pages.desk.goto(`${ADMIN}/rooms/${id}`)
  await says(pages.desk, 'People and links')
}

export async function people() {
  await check('a link made for a person: they are named while they wait, and put out by name when it is revoked', async () => {
    const page = pages.desk
    const { room } = await roomWith('Saltmarsh – conform check')
    await toRoom(room.id)
    await page.getByLabel('Name of the person to invite').fill('Lena Roth')
    await page.getByRole('button', { name: 'Make link' }).click()
    await says(page, 'The link for Lena Roth is on your clipboard')
    const link = await clipboard()
    if (!link.startsWith(`${LIVE}/j#`)) throw new Error(`the clipboard holds ${link}`)
    const guest = await person(world.browser, 'lena')
    pages.lena = guest
    try {
      await enter(guest, link)
      const row = page.locator('li', { hasText: 'Lena Roth' })
      await says(row, /viewer · here now/, 10_000)
      await says(page.locator('dd', { hasText: 'Lena Roth' }), 'waiting')
      // No stream yet: nobody watches, and yet somebody is there.
      await says(page, /1 person waits/)
      await more('Close')
      await says(dialog(), 'In the room: Lena Roth.')
      await says(dialog(), '1 person is waiting.')
      await dialog().getByRole('button', { name: 'Cancel' }).click()
      await page.getByRole('button', { name: 'Revoke Lena Roth' }).click()
      await says(dialog(), 'Lena Roth is in the room with it now and put out at once.')
      await accessible(page)
      await shoot(page, 'link-revoke')
      await dialog().getByRole('button', { name: 'Revoke' }).click()
      await says(page, 'Lena Roth is revoked')
      await guest.locator('[data-half=picture]').waitFor({ state: 'detached' })
      await says(row, 'viewer · revoked')
    } finally {
      delete pages.lena
      await guest.context().close()
    }
  })
}

export async function ownRoom() {
  let room
  await check('viewer and presenter links go to the clipboard, each under its own time', async () => {
    const page = pages.desk
    room = (await api('POST', '/rooms', { title: 'Blue Hour' }))
    room = room.room
    await toRoom(room.id)
    await page.getByRole('button', { name: 'Copy viewer link' }).click()
    await says(page, 'A new viewer link for Blue Hour is on your clipboard')
    const viewer = await clipboard()
    await page.getByRole('button', { name: 'Presenter link' }).click()
    await says(page, 'A new presenter link for Blue Hour is on your clipboard')
    if (viewer === (await clipboard())) throw new Error('both links are the same')
    await says(page, /^Viewer link, today \d\d:\d\d$/)
    await says(page, /^Presenter link, today \d\d:\d\d$/)
  })

  await check('the key is hidden until asked, copied, made anew; OBS gets a file', async () => {
    const page = pages.desk
    const key = async () => (await api('GET', `/rooms/${room.id}/ingest`)).key
    const first = await key()
    await page.getByText('RTMP', { exact: false }).first().waitFor()
    if ((await page.content()).includes(first)) throw new Error('the key is in the page before it was asked for')
    await page.getByRole('button', { name: 'Copy stream key' }).click()
    await says(page, 'Stream key copied')
    expect(await clipboard(), first, 'the clipboard')
    await page.getByRole('button', { name: 'Show Stream key' }).click()
    await says(page, first)
    await page.getByRole('heading', { name: 'Send the picture' }).scrollIntoViewIfNeeded()
    await page.getByRole('button', { name: 'Hide Stream key' }).click()
    await shoot(page, 'room-keys')
    await page.getByRole('button', { name: 'New key…' }).click()
    await says(dialog(), 'This interrupts nobody.')
    await dialog().getByRole('button', { name: 'Make a new key' }).click()
    await says(page, 'The old key is refused from now on')
    if ((await key()) === first) throw new Error('the key is the old one')
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'OBS profile' }).click()])
    expect(file.suggestedFilename(), 'colourstream-blue-hour.zip', 'the file for OBS')
  })

  await check('the settings of a room: passcode, schedule, allowed addresses, watermark', async () => {
    const page = pages.desk
    await page.getByLabel('Passcode').fill('a grey card')
    await page.getByLabel('Ends').fill('2099-01-02T18:00')
    await page.getByLabel('Most viewers').fill('12')
    await page.getByLabel('Allowed addresses').fill('203.0.113.0/24\n2001:db8::/32')
    await page.getByLabel(/Show each viewer’s name/).check()
    await says(page, 'Nobody is in the room.')
    await page.getByRole('heading', { name: 'Settings of the room' }).scrollIntoViewIfNeeded()
    await shoot(page, 'room-settings')
    await page.getByRole('button', { name: 'Save' }).click()
    await says(page, 'Saved')
    const now = await api('GET', `/rooms/${room.id}`)
    expect([now.has_passcode, now.expires_at, now.viewer_cap, now.allowed_addresses.join(' '), now.watermark].join(' | '), 'true | 2099-01-02T17:00:00Z | 12 | 203.0.113.0/24 2001:db8::/32 | true', 'the room')
    // Only what was typed is sent: the passcode can be taken away alone.
    await page.getByLabel('Remove the passcode').check()
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByLabel('Remove the passcode').waitFor({ state: 'detached' })
    expect((await api('GET', `/rooms/${room.id}`)).viewer_cap, 12, 'the limit')
  })

  await check('duplicate, everybody out, archive, bring back, delete: each asked where it cuts, and in the activity', async () => {
    const page = pages.desk
    await more('Duplicate')
    await page.waitForURL((url) => !url.pathname.endsWith(room.id))
    await says(page, 'Blue Hour (copy)')
    const copy = new URL(page.url()).pathname.split('/').at(-1)
    expect((await api('GET', `/rooms/${copy}`)).viewer_cap, 12, 'the limit of the copy')
    await toRoom(room.id)
    await more('Everybody out')
    await says(dialog(), /Every link of the room stops working/)
    await dialog().getByRole('button', { name: 'Everybody out' }).click()
    await says(page, 'Everybody is out')
    await page.waitForFunction(() => document.querySelectorAll('[aria-label="revoked"]').length === 2)
    await more('Archive')
    await dialog().getByRole('button', { name: 'Archive' }).click()
    await says(page, 'Blue Hour is in the archive')
    await page.getByRole('button', { name: 'Archive', exact: true }).click()
    await says(page, 'Back to the rooms')
    await page.getByRole('link', { name: 'Blue Hour', exact: true }).waitFor()
    await accessible(page)
    await shoot(page, 'archive')
    await page.getByRole('link', { name: 'Blue Hour', exact: true }).click()
    await page.getByRole('button', { name: 'Bring back' }).click()
    await says(page, 'Blue Hour is back in the list, closed')
    for (const what of [/room made: Blue Hour/, /key rotated/, /room changed: passcode, end, viewer limit, allowed addresses, watermark/, /stream rotated/, /room archived/, /room restored/]) await says(page, what)
    await more('Delete for ever')
    await says(dialog(), 'This interrupts nobody.')
    await accessible(page)
    await shoot(page, 'room-delete')
    await dialog().getByRole('button', { name: 'Delete for ever' }).click()
    await says(page, 'Blue Hour is deleted')
    const left = [...(await api('GET', '/rooms')).items, ...(await api('GET', '/rooms?archived=true')).items].map((one) => one.title)
    if (left.includes('Blue Hour')) throw new Error('it is still there')
    await toRoom(copy)
    await more('Delete for ever')
    await dialog().getByRole('button', { name: 'Delete for ever' }).click()
    await says(page, 'Blue Hour (copy) is deleted')
  })
}
