// What can be done to a room on its page: links, key, actions, and whom each
// interrupts before it does.
import { fireEvent, render, screen, waitFor, within as inside } from '@testing-library/react'
import { act } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keys, mayAskAgain } from '../src/admin/queries'
import { linkFacts, nameOf } from '../src/admin/rooms/LinksSection'
import { NewRoom } from '../src/admin/rooms/NewRoom'
import { revokeWords } from '../src/admin/rooms/people'
import { RoomPage } from '../src/admin/rooms/RoomPage'
import { RoomRow } from '../src/admin/rooms/RoomRow'
import { RoomsPage } from '../src/admin/rooms/RoomsPage'
import { Shell } from '../src/admin/shell/Shell'
import { Problem } from '../src/api/request'
import type { Link, Page, Room } from '../src/api/types'
import * as data from '../mock/data.mjs'
import { type Call, FakeSource, first, house, json, refusal, rooms } from './house'

const links = () => data.links() as Link[]
const IMPACT = { publishers: 1, viewers: 2, callers: 2, waiting: 0, people: 2, names: ['Aiko Tanaka', 'Jonas Weber'], words: '2 people are watching and in the call, and 1 encoder is streaming.' }

// A whole page, drawn without a browser, on a machine that has other things to do.
vi.setConfig({ testTimeout: 20_000 })

let world: ReturnType<typeof house>
beforeEach(() => {
  world = house()
})
afterEach(() => world.end())

const asked = (method: string, path: string) => world.calls.filter((call) => call.method === method && call.path === path)
const dialog = () => inside(document.querySelector('dialog') as HTMLElement)

/** The page of a room, with everything it asks for. */
async function show(room: Room, answer: (call: Call) => Response | undefined = () => undefined, framed = false) {
  world.client.setQueryData(keys.room(room.id), room)
  world.client.setQueryData(keys.links(room.id), links())
  world.answer = (call) => {
    const said = answer(call)
    if (said) return said
    const { pathname } = new URL(call.path, 'http://a')
    if (pathname.endsWith('/impact')) return json(IMPACT)
    if (pathname.endsWith('/ingest')) return json(data.ingest)
    if (pathname.endsWith('/activity')) return json({ items: data.activity() })
    if (pathname.endsWith('/links') && call.method === 'GET') return json({ items: links() })
    if (pathname.endsWith('/links')) return json({ ...links()[0], url: 'https://live.example.com/j#new' }, 201)
    if (call.method === 'GET' && pathname === '/rooms') return json({ items: [room] })
    if (pathname === `/rooms/${room.id}` && call.method === 'DELETE') return undefined
    return json(room)
  }
  const page = <RoomPage id={room.id} />
  render(framed ? <Shell me={{ id: 'a1', name: 'Maya Lindqvist', role: 'owner' }}>{page}</Shell> : page, { wrapper: world.within })
  await screen.findByText('People and links')
}
const labelled = (buttons: Iterable<Element>, name: string) => [...buttons].find((one) => one.textContent === name) as HTMLElement
const choose = (item: string) => fireEvent.click(labelled(document.querySelectorAll('[role=menuitem]'), item))
const press = (verb: string) => fireEvent.click(labelled(document.querySelectorAll('dialog button'), verb))

describe('links', () => {
  it.each([['Copy viewer link', 'viewer'], ['Presenter link', 'presenter']])('%s makes one, on the clipboard', async (button, role) => {
    await show(first())
    fireEvent.click(screen.getByText(button))
    expect(await screen.findByText(`A new ${role} link for Northlight – reel 3 is on your clipboard`)).toBeTruthy()
    expect(world.clipboard).toEqual(['https://live.example.com/j#new'])
    expect(asked('POST', '/rooms/r1/links')[0]?.body).toEqual({ name: '', role })
  })

  it('a double click makes one link', async () => {
    await show(first())
    const button = screen.getByText('Copy viewer link')
    fireEvent.click(button)
    fireEvent.click(button)
    await waitFor(() => expect(world.clipboard).toHaveLength(1))
    await act(async () => {})
    expect(asked('POST', '/rooms/r1/links')).toHaveLength(1)
    fireEvent.click(button)
    await waitFor(() => expect(asked('POST', '/rooms/r1/links')).toHaveLength(2))
  })

  it('one that cannot be copied is handed over, shown only now', async () => {
    world.shut = true
    await show(first())
    fireEvent.click(screen.getByText('Copy viewer link'))
    expect(((await screen.findByLabelText('The viewer link for Northlight – reel 3')) as HTMLTextAreaElement).value).toBe('https://live.example.com/j#new')
    expect(dialog().getByText(/shown only now/)).toBeTruthy()
  })

  it('are made for a person and a role', async () => {
    await show(first())
    fireEvent.change(screen.getByLabelText('Name of the person to invite'), { target: { value: 'Lena Roth' } })
    fireEvent.change(screen.getByLabelText('Role'), { target: { value: 'presenter' } })
    fireEvent.click(screen.getByText('Make link'))
    expect(await screen.findByText('The link for Lena Roth, shown only now:')).toBeTruthy()
    expect(asked('POST', '/rooms/r1/links')[0]?.body).toEqual({ name: 'Lena Roth', role: 'presenter' })
    expect(world.clipboard).toEqual(['https://live.example.com/j#new'])
  })

  it('say who is here now, when they were last seen, and how much is left of them', () => {
    const now = Date.now()
    const [jonas, aiko, suite, old] = links() as [Link, Link, Link, Link]
    expect(linkFacts(jonas, now, 1)).toBe('viewer · here now')
    expect(linkFacts(jonas, now, 2)).toBe('viewer · 2 here now')
    expect(linkFacts(aiko, now)).toMatch(/^viewer · seen 2 h ago · 2 of 5 uses · until /)
    expect(linkFacts(suite, now)).toBe('presenter · not used yet')
    expect(linkFacts(old, now)).toBe('viewer · revoked')
    expect(linkFacts({ ...suite, expires_at: new Date(now - 1000).toISOString() }, now)).toBe('presenter · not used yet · expired')
  })

  it('made for nobody go by their time', () => {
    const now = new Date(2026, 10, 22, 22, 0).getTime()
    const link = { ...links()[0], name: '', created_at: new Date(2026, 10, 22, 12, 4).toISOString() } as Link
    expect(nameOf(link, now)).toBe('Viewer link, today 12:04')
    expect(nameOf({ ...link, role: 'presenter' }, now)).toBe('Presenter link, today 12:04')
    expect(nameOf({ ...link, name: 'Jonas Weber' }, now)).toBe('Jonas Weber')
  })

  it('are revoked once it is said who is put out', async () => {
    await show(first())
    fireEvent.click(screen.getByLabelText('Revoke Jonas Weber'))
    expect(dialog().getByText('Jonas Weber is in the room with it now and put out at once.')).toBeTruthy()
    expect(asked('DELETE', '/rooms/r1/links/l1')).toHaveLength(0)
    fireEvent.click(dialog().getByText('Revoke'))
    expect(await screen.findByText('Jonas Weber is revoked')).toBeTruthy()
    expect(asked('DELETE', '/rooms/r1/links/l1')).toHaveLength(1)
  })

  it('say in words whom their revoking meets', () => {
    const { people } = first().live
    expect(revokeWords(people.slice(0, 2), 2)).toBe('Aiko Tanaka and Jonas Weber are in the room with it now and put out at once.')
    expect(revokeWords([], 2)).toBe('Nobody is in the room with it now. It let in 2 browsers, which cannot come back with it.')
    expect(revokeWords([], 0)).toBe('Nobody has used it yet. It will open nothing.')
  })
})

describe('who is there', () => {
  it('is named on the page of the room, with what they do', async () => {
    await show(first())
    const here = screen.getByText('Here now').nextElementSibling?.textContent
    expect(here).toMatch(/Aiko Tanaka watching and in the call.*Sam Okafor watching/)
  })
  it('is also who waits before the stream', async () => {
    await show(rooms()[1] as Room)
    expect(screen.getByText('Here now').nextElementSibling?.textContent).toBe('Lena Roth waiting')
    expect(screen.getByText(/1 person waits/)).toBeTruthy()
  })
})

describe('the key', () => {
  it('is dots until asked, copied as it is, and made anew once it is said whom that cuts', async () => {
    const key = (data.ingest as { key: string }).key
    await show(first())
    fireEvent.click(screen.getByText('Addresses and key'))
    await screen.findByText('RTMPS')
    expect(document.body.textContent).not.toContain(key)
    fireEvent.click(screen.getByLabelText('Copy stream key'))
    await waitFor(() => expect(world.clipboard).toEqual([key]))
    fireEvent.click(screen.getByLabelText('Show Stream key'))
    expect(screen.getByText(key)).toBeTruthy()
    fireEvent.click(screen.getByText('New key…'))
    expect(await screen.findByText('In the room: Aiko Tanaka and Jonas Weber.')).toBeTruthy()
    expect(asked('POST', '/rooms/r1/rotate-key')).toHaveLength(0)
    fireEvent.click(screen.getByText('Make a new key'))
    await waitFor(() => expect(asked('POST', '/rooms/r1/rotate-key')).toMatchObject([{ etag: first().etag }]))
    // The new one is asked for.
    await waitFor(() => expect(asked('GET', '/rooms/r1/ingest')).toHaveLength(2))
  })

  it('comes in a profile for OBS', async () => {
    await show(first())
    const profile = screen.getByText('OBS profile') as HTMLAnchorElement
    expect([profile.getAttribute('href'), profile.hasAttribute('download')]).toEqual(['/api/v1/rooms/r1/obs', true])
    expect(screen.getByText(/^Unpack the downloaded file/)).toBeTruthy()
  })
})

describe('an action that interrupts', () => {
  it.each([
    ['Close', 'close', 'Close the room', 'POST', '/rooms/r1/close'],
    ['Everybody out', 'rotate-stream', 'Everybody out', 'POST', '/rooms/r1/rotate-stream'],
    ['Archive', 'archive', 'Archive', 'DELETE', '/rooms/r1'],
  ])('%s names whom, then does it', async (item, action, verb, method, path) => {
    await show(first())
    choose(item)
    const people = await screen.findByText('In the room: Aiko Tanaka and Jonas Weber.')
    expect(people.nextElementSibling?.textContent).toBe('2 people are watching and in the call, and 1 encoder is streaming.')
    expect(asked('GET', `/rooms/r1/impact?action=${action}`)).toHaveLength(1)
    expect(asked(method, path)).toHaveLength(0)
    press(verb)
    await waitFor(() => expect(asked(method, path)).toMatchObject([{ etag: first().etag }]))
    await waitFor(() => expect(document.querySelector('dialog')).toBeNull())
  })

  it('deletes a room from its page, by way of the archive, with what it cuts', async () => {
    const archived = { ...first(), archived: true, etag: 'v9' }
    await show(first(), (call) => (call.method === 'GET' && call.path === '/rooms/r1' ? json(archived) : undefined))
    choose('Delete for ever')
    expect(await screen.findByText('In the room: Aiko Tanaka and Jonas Weber.')).toBeTruthy()
    expect(asked('GET', '/rooms/r1/impact?action=delete')).toHaveLength(1)
    press('Delete for ever')
    await waitFor(() => expect(asked('DELETE', '/rooms/r1?forever=true')).toMatchObject([{ etag: 'v9' }]))
    expect(asked('DELETE', '/rooms/r1')).toMatchObject([{ etag: first().etag }])
  })

  it('that is refused says why, and asks anew what is', async () => {
    await show(first(), (call) => (call.path === '/rooms/r1/close' ? refusal(412, 'This room was changed meanwhile', 'Load it again') : undefined))
    choose('Close')
    await screen.findByText('In the room: Aiko Tanaka and Jonas Weber.')
    press('Close the room')
    expect(await dialog().findByText('This room was changed meanwhile.')).toBeTruthy()
    await waitFor(() => expect(asked('GET', '/rooms/r1')).toHaveLength(1))
  })
})

describe('an action that interrupts nobody', () => {
  const closed = () => ({ ...first(), state: 'closed', closed: true }) as Room
  it.each([
    ['Open', '/rooms/r1/open', closed, 'Northlight – reel 3 is open'],
    ['Duplicate', '/rooms/r1/duplicate', closed, 'Northlight – reel 3 has the same settings and its own key and links'],
  ])('%s is done at once', async (item, path, room, said) => {
    await show(room())
    choose(item)
    expect(await screen.findByText(said)).toBeTruthy()
    expect(asked('POST', path)).toHaveLength(1)
  })

  it.each(['Open', 'Duplicate'])('%s tells a refusal, and looks anew', async (item) => {
    await show(closed(), (call) => (call.method === 'POST' ? refusal(409, 'That cannot be done now', 'restore the room from the archive first') : undefined))
    choose(item)
    expect(await screen.findByText('That cannot be done now. Restore the room from the archive first.')).toBeTruthy()
    await waitFor(() => expect(asked('GET', '/rooms/r1')).toHaveLength(1))
  })

  it('Bring back tells a refusal, too; an archived page can also be deleted', async () => {
    await show({ ...first(), archived: true }, (call) => (call.method === 'POST' ? refusal(412, 'This room was changed meanwhile') : undefined))
    fireEvent.click(screen.getByText('Bring back'))
    expect(await screen.findByText('This room was changed meanwhile.')).toBeTruthy()
    fireEvent.click(screen.getByText('Delete for ever'))
    expect(await screen.findByText(/Its links and its activity go with it/)).toBeTruthy()
    press('Delete for ever')
    await waitFor(() => expect(asked('DELETE', '/rooms/r1?forever=true')).toHaveLength(1))
    expect(asked('DELETE', '/rooms/r1')).toHaveLength(0)
  })

  it('of a row in the archive works, as does deleting it', async () => {
    world.answer = (call) => (call.path.includes('/impact') ? json({ ...IMPACT, names: [], words: 'This interrupts nobody.' }) : json({ ...first(), archived: false }))
    let question: unknown = null
    render(<RoomRow room={{ ...first(), archived: true }} now={Date.now()} ask={(asking) => (question = asking)} mayChange />, { wrapper: world.within })
    choose('Bring back')
    expect(await screen.findByText('Northlight – reel 3 is back in the list, closed')).toBeTruthy()
    choose('Delete for ever')
    await waitFor(() => expect(question).toMatchObject({ title: 'Delete Northlight – reel 3 for ever?' }))
    expect(asked('GET', '/rooms/r1/impact?action=delete')).toHaveLength(1)
  })
})

describe('activity', () => {
  it('says who did what, from where', async () => {
    await show(first())
    const line = (await screen.findByText('Encoder', { selector: 'strong' })).closest('li')
    expect(line?.textContent).toMatch(/Encoder · began to send by SRT from 198\.51\.100\.7$/)
  })
})

describe('a new room', () => {
  const open = () => render(<NewRoom onClose={() => {}} />, { wrapper: world.within })
  const type = (name: string, value: string) => fireEvent.change(document.querySelector(`[name=${name}]`) as Element, { target: { value } })

  it('with more: the focus goes on to what came, and all of it is sent', async () => {
    open()
    fireEvent.click(screen.getByText('More'))
    expect((document.activeElement as HTMLInputElement).name).toBe('slug')
    world.answer = () => json({ room: first(), link: { url: 'https://live.example.com/j#abc' } }, 201)
    type('title', 'Reel 4')
    type('slug', 'reel-4')
    type('passcode', 'a grey card')
    type('viewer_cap', '12')
    type('allowed_addresses', '203.0.113.0/24\n2001:db8::/32')
    fireEvent.click(screen.getByText(/Show each viewer’s name/))
    fireEvent.submit(document.querySelector('form') as HTMLFormElement)
    await waitFor(() => expect(location.pathname).toBe('/rooms/r1'))
    expect(asked('POST', '/rooms')[0]?.body).toEqual({ title: 'Reel 4', slug: 'reel-4', passcode: 'a grey card', profile: 'live', viewer_cap: 12, allowed_addresses: ['203.0.113.0/24', '2001:db8::/32'], watermark: true, link: { name: '', role: 'viewer' } })
  })

  it.each([[false, /^The viewer link is on your clipboard, and shown only now\./], [true, /^The viewer link, shown only now: your browser keeps the clipboard shut\./]])('says on its page where its link is (clipboard shut: %s)', async (shut, words) => {
    world.shut = shut
    world.answer = () => json({ room: { ...first(), id: 'r9' }, link: { url: 'https://live.example.com/j#abc' } }, 201)
    const view = open()
    type('title', 'Reel 4')
    fireEvent.submit(document.querySelector('form') as HTMLFormElement)
    await waitFor(() => expect(location.pathname).toBe('/rooms/r9'))
    view.unmount()
    await show({ ...first(), id: 'r9' })
    expect(screen.getByText(words)).toBeTruthy()
    expect(screen.getByText('https://live.example.com/j#abc')).toBeTruthy()
    fireEvent.click(screen.getByText('Done'))
    expect(screen.queryByText('https://live.example.com/j#abc')).toBeNull()
  })
})

describe('a page whose server starts anew', () => {
  it('keeps what it shows and what was typed, and says that it is not up to date', async () => {
    let down = false
    await show(first(), (call) => (down && call.method === 'GET' ? new Response('Bad Gateway', { status: 502 }) : call.path === '/profiles' ? json({ items: data.profiles }) : undefined), true)
    fireEvent.change(screen.getByLabelText('Name of the person to invite'), { target: { value: 'Lena' } })
    down = true
    await act(() => world.client.invalidateQueries())
    expect(await screen.findByText('Not up to date')).toBeTruthy()
    expect((screen.getByLabelText('Name of the person to invite') as HTMLInputElement).value).toBe('Lena')
    expect(screen.getByLabelText('Revoke Jonas Weber')).toBeTruthy()
    expect(screen.queryByText(/The server answered/)).toBeNull()
    down = false
    fireEvent.click(screen.getByText('Try again'))
    await waitFor(() => expect(screen.queryByText('Not up to date')).toBeNull())
  })

  it('leaves a room that is no more, whatever was shown', async () => {
    let gone = false
    await show(first(), (call) => (gone && call.path === '/rooms/r1' ? refusal(404, 'No such room') : undefined))
    gone = true
    await act(() => world.client.invalidateQueries({ queryKey: keys.room('r1') }))
    expect(await screen.findByText('This room does not exist')).toBeTruthy()
  })

  it('leaves a room that somebody else deleted, there and in the lists', async () => {
    let gone = false
    await show(first(), (call) => (gone && call.path === '/rooms/r1' ? refusal(404, 'No such room') : call.path === '/profiles' ? json({ items: data.profiles }) : undefined), true)
    world.client.setQueryData(keys.rooms(true), { items: rooms(), next: null })
    world.client.setQueryData(keys.room('r2'), rooms()[1])
    gone = true
    FakeSource.made[0]?.send('gone', ['r1', 'r2'])
    expect(await screen.findByText('This room does not exist')).toBeTruthy()
    expect(world.client.getQueryData<Page<Room>>(keys.rooms(true))?.items.map(({ id }) => id)).toEqual(rooms().map(({ id }) => id).slice(2))
    expect(world.client.getQueryData(keys.room('r2'))).toBeUndefined()
  })

  it('is asked again where nobody answered, or only a gateway', () => {
    const answered = (type: string, status: number) => new Problem({ type, status })
    expect([answered('offline', 0), answered('unknown', 502), answered('unknown', 504)].map((one) => mayAskAgain(4, one))).toEqual([true, true, true])
    expect(mayAskAgain(5, answered('offline', 0))).toBe(false)
    // What the server says itself is shown at once.
    expect([answered('rescue', 503), answered('unknown', 500), answered('not-found', 404)].map((one) => mayAskAgain(0, one))).toEqual([false, false, false])
  })
})

describe('the list', () => {
  it('is made with N, searched with /, and every row has its actions in sight', async () => {
    world.answer = () => json({ items: rooms() })
    render(<RoomsPage />, { wrapper: world.within })
    await screen.findByText('Old spot')
    expect(screen.getAllByText('link')).toHaveLength(rooms().length)
    fireEvent.keyDown(document.body, { key: '/' })
    expect(document.activeElement).toBe(screen.getByLabelText('Find a room'))
    ;(document.activeElement as HTMLElement).blur()
    fireEvent.keyDown(document.body, { key: 'n' })
    expect(screen.getByText('Enter makes it and copies the viewer link.')).toBeTruthy()
  })
})
