// Pieces of the portal: rows, forms, edits that collide, interruptions.
import { focusManager, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { App } from '../src/admin/App'
import { keepRoom, keys, useRoom } from '../src/admin/queries'
import { fromLocal, toLocal } from '../src/admin/rooms/localTime'
import { NewRoom } from '../src/admin/rooms/NewRoom'
import { RoomForm } from '../src/admin/rooms/RoomForm'
import { byUrgency, dayMoment, fits, roomDot, roomFacts } from '../src/admin/rooms/roomFacts'
import { patchOf, saveWords } from '../src/admin/rooms/roomPatch'
import type { Page, Room } from '../src/api/types'
// The mock's world is the fixture: one truth for tests and screenshots.
import * as data from '../mock/data.mjs'

const rooms = () => data.rooms() as Room[]
const first = () => rooms()[0] as Room

let client: QueryClient
const within = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>
let calls: { method: string; path: string; body: unknown; etag: string | null }[]
let answer: (call: (typeof calls)[number]) => Response
const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status })

beforeEach(() => {
  client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 60_000 } } })
  client.setQueryData(keys.profiles, [{ name: 'live', title: 'Live', min_bitrate: null, chunk_seconds: 0.5, segment_seconds: 1, audio_bitrate: 128_000 }])
  calls = []
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>
    const call = { method: init.method as string, path, body: init.body ? JSON.parse(init.body as string) : undefined, etag: headers['if-match'] ?? null }
    calls.push(call)
    return answer(call)
  })
})
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
  history.replaceState(null, '', '/')
})

describe('a row', () => {
  it('says the two facts that matter', () => {
    const now = Date.now() + 1000
    expect(roomFacts(first(), now)).toMatch(/^live 42 min · 4 watching · ends /)
    expect(roomFacts(rooms()[1] as Room, now)).toBe('open, no stream yet · 1 person waits')
    expect(roomFacts(rooms()[4] as Room, now)).toBe('closed')
    expect(roomFacts(rooms()[2] as Room, now)).toMatch(/^opens (tomorrow|[A-Z][a-z]{2}) \d\d:\d\d$/)
  })
  it('never names an hour without its day', () => {
    const now = new Date(2026, 10, 22, 22, 0).getTime()
    const at = (hours: number) => new Date(now + hours * 3_600_000).toISOString()
    expect([1, 9.5, 50, 24 * 20].map((hours) => dayMoment(at(hours), now))).toEqual(['today 23:00', 'tomorrow 07:30', 'Wed 00:00', '12 Dec'])
  })
  it('has the dot of its state, and of its trouble', () => {
    expect(rooms().map(roomDot)).toEqual(['live', 'open', 'open', 'open', 'none', 'none'])
    const issue = { code: 'encoder-settings' as const, severity: 'error' as const, subject: 's', what: 'w', why: 'y', fix: 'f' }
    expect(roomDot({ ...(rooms()[1] as Room), issues: [issue] })).toBe('warning')
  })
  it('is found by title, address and owner; live comes first', () => {
    expect(fits(first(), ' NORTH ')).toBe(true)
    expect(fits(first(), 'saltmarsh')).toBe(false)
    expect(rooms().reverse().toSorted(byUrgency)[0]?.id).toBe('r1')
  })
})

describe('times in forms', () => {
  it('survive the way there and back', () => {
    const time = '2026-11-24T09:30:00Z'
    expect(fromLocal(toLocal(time))).toBe(time)
    expect(fromLocal('')).toBeNull()
    expect(toLocal(null)).toBe('')
  })
})

describe('a new room', () => {
  it('is one field and Enter; its viewer link is on the clipboard', async () => {
    const written = vi.fn(async (_text: string) => {})
    vi.stubGlobal('ClipboardItem', undefined)
    Object.defineProperty(navigator, 'clipboard', { value: { writeText: written }, configurable: true })
    answer = () => json({ room: { ...first(), id: 'r9' }, link: { url: 'https://live.example.com/j#abc' } }, 201)
    render(<NewRoom onClose={() => {}} />, { wrapper: within })
    const field = screen.getByPlaceholderText('Northlight – reel 3')
    fireEvent.change(field, { target: { value: 'Reel 4' } })
    fireEvent.submit(field.closest('form') as HTMLFormElement)
    await waitFor(() => expect(location.pathname).toBe('/rooms/r9'))
    expect(calls[0]).toMatchObject({ method: 'POST', path: '/api/v1/rooms', body: { title: 'Reel 4', link: { role: 'viewer' } } })
    expect(written).toHaveBeenCalledWith('https://live.example.com/j#abc')
  })
})

describe('editing a room', () => {
  const field = (name: string) => document.querySelector(`[name=${name}]`) as HTMLInputElement
  const type = (name: string, value: string) => {
    fireEvent.change(field(name), { target: { value } })
    fireEvent.input(field(name))
  }
  const show = (room: Room) => {
    client.setQueryData(keys.room(room.id), room)
    return render(<RoomForm room={room} />, { wrapper: within })
  }

  it('sends only what differs, with the etag of what was seen', async () => {
    answer = (call) => json({ ...first(), ...(call.body as object), etag: '"2"' })
    show(first())
    type('viewer_cap', '12')
    fireEvent.click(screen.getByText('Save'))
    await waitFor(() => expect(calls).toHaveLength(1))
    expect(calls[0]).toMatchObject({ method: 'PATCH', etag: first().etag, body: { viewer_cap: 12 } })
  })

  it('never overwrites unseen what somebody else changed', async () => {
    const theirs = { ...first(), title: 'Northlight – reel 3b', etag: '"theirs"' }
    answer = (call) => {
      if (call.method === 'GET') return json(theirs)
      return call.etag === theirs.etag ? json({ ...theirs, viewer_cap: 12, etag: '"3"' }) : json({ type: 'changed-meanwhile', title: 'changed', status: 412 }, 412)
    }
    show(first())
    type('viewer_cap', '12')
    fireEvent.click(screen.getByText('Save'))
    expect(await screen.findByText(/Somebody changed this room meanwhile/)).toBeTruthy()
    fireEvent.click(screen.getByText('Load theirs, keep what I typed'))
    await waitFor(() => expect(field('title').value).toBe('Northlight – reel 3b'))
    expect(field('viewer_cap').value).toBe('12')
    fireEvent.click(screen.getByText('Save'))
    await waitFor(() => expect(calls.at(-1)).toMatchObject({ method: 'PATCH', etag: '"theirs"', body: { viewer_cap: 12 } }))
  })

  it('keeps the focus, and what was typed while it was being saved', async () => {
    let saved = first()
    answer = (call) => json((saved = { ...saved, ...(call.body as object), has_passcode: true, etag: `"${calls.length + 1}"` }))
    const Page = () => <RoomForm room={useRoom('r1').data as Room} />
    client.setQueryData(keys.room('r1'), saved)
    render(<Page />, { wrapper: within })
    type('title', '  Reel 3b ')
    type('passcode', 'a candle')
    field('title').focus()
    const before = field('title')
    fireEvent.click(screen.getByText('Save'))
    type('slug', 'north')
    await screen.findByText('New passcode')
    expect(document.activeElement).toBe(before)
    // What was sent is shown as it was taken; what came after it is still to be saved.
    expect([field('title').value, field('passcode').value, field('slug').value]).toEqual(['Reel 3b', '', 'north'])
    await waitFor(() => expect(screen.getByText('Save')).toHaveProperty('disabled', false))
    fireEvent.click(screen.getByText('Save'))
    await waitFor(() => expect(calls.at(-1)).toMatchObject({ etag: '"2"', body: { slug: 'north' } }))
    expect(calls.at(-1)?.body).toEqual({ slug: 'north' })
    await waitFor(() => expect(screen.queryByText('Undo')).toBeNull())
    type('viewer_cap', '9')
    fireEvent.click(screen.getByText('Undo'))
    expect([field('viewer_cap').value, field('slug').value]).toEqual([String(first().viewer_cap ?? ''), 'north'])
  })

  it('follows what others change as long as nothing was typed', async () => {
    const view = show(first())
    view.rerender(<RoomForm room={{ ...first(), slug: 'north', etag: '"n"' }} />)
    await waitFor(() => expect(field('slug').value).toBe('north'))
  })

  it('says before saving whom it interrupts', () => {
    const now = Date.parse('2026-11-23T10:00:00Z')
    const inAnHour = '2026-11-23T11:00:00Z'
    expect(saveWords({ title: 'x' }, first(), now)).toBe('Interrupts nobody.')
    expect(saveWords({ profile: 'fast' }, rooms()[2] as Room, now)).toBe('Nobody is in the room.')
    // Somebody with an open page is there before there is a picture.
    expect(saveWords({ opens_at: inAnHour }, rooms()[1] as Room, now)).toMatch(/^The room closes until today .*\. In the room: Lena Roth\.$/)
    expect(saveWords({ profile: 'fast' }, rooms()[1] as Room, now)).toBe('Interrupts nobody.')
    // Every part that cuts is said, not only the first.
    const all = saveWords({ profile: 'fast', allowed_addresses: ['203.0.113.0/24'], expires_at: '2026-11-23T09:00:00Z', viewer_cap: 2 }, first(), now)
    expect(all).toBe('The encoder is cut and has to start again. People outside these networks are put out. The room ends now. 4 are watching: above 2, who has to reconnect stays out. In the room: Aiko Tanaka, Jonas Weber and 2 more.')
    expect(saveWords({ allowed_addresses: [], viewer_cap: null }, first(), now)).toBe('Interrupts nobody.')
  })

  it('sends what was typed in each field, and nothing of what was not', () => {
    const room = { ...first(), viewer_cap: 4, allowed_addresses: ['198.51.100.0/24'] } as Room
    const typed = (over: Record<string, string | null> = {}) => {
      const data = new FormData()
      const all = { title: room.title, slug: room.slug, profile: room.profile, opens_at: '', expires_at: toLocal(room.expires_at), viewer_cap: '4', allowed_addresses: '198.51.100.0/24', passcode: '', watermark: 'on', ...over }
      for (const [name, value] of Object.entries(all)) if (value !== null) data.set(name, value)
      return patchOf(room, data)
    }
    expect(typed()).toEqual({})
    expect(typed({ passcode: 'a grey card' })).toEqual({ passcode: 'a grey card' })
    expect(typed({ passcode: 'a grey card', no_passcode: 'on' })).toEqual({ passcode: null })
    expect(typed({ watermark: null })).toEqual({ watermark: false })
    expect(typed({ allowed_addresses: ' 203.0.113.7,\n 2001:db8::/32 ' })).toEqual({ allowed_addresses: ['203.0.113.7', '2001:db8::/32'] })
    expect(typed({ allowed_addresses: '' })).toEqual({ allowed_addresses: [] })
    expect(typed({ viewer_cap: '' })).toEqual({ viewer_cap: null })
    expect(typed({ opens_at: toLocal('2026-11-24T09:30:00Z'), expires_at: '' })).toEqual({ opens_at: '2026-11-24T09:30:00Z', expires_at: null })
  })
})

describe('the cache', () => {
  it('puts a changed room everywhere it is shown, and an archived one away', () => {
    client.setQueryData<Page<Room>>(keys.rooms(false), { items: rooms(), next: null })
    keepRoom(client, { ...first(), title: 'Renamed' })
    expect(client.getQueryData<Page<Room>>(keys.rooms(false))?.items[0]?.title).toBe('Renamed')
    keepRoom(client, { ...first(), archived: true })
    expect(client.getQueryData<Page<Room>>(keys.rooms(false))?.items).toHaveLength(5)
  })
})

describe('the login', () => {
  it('keeps what was typed while somebody looks into another tab', async () => {
    answer = ({ path }) => (path.endsWith('/me') ? json({ type: 'unauthorized', title: 'Log in', status: 401 }, 401) : json({ needed: false }))
    render(<App />, { wrapper: within })
    const name = (await screen.findByLabelText('Name')) as HTMLInputElement
    fireEvent.change(name, { target: { value: 'Maya' } })
    // A password manager was looked into; the server takes a moment.
    const soon = vi.fn(() => new Promise<Response>((done) => setTimeout(() => done(answer({ method: 'GET', path: '/me', body: undefined, etag: null })), 30)))
    vi.stubGlobal('fetch', soon)
    focusManager.setFocused(false)
    focusManager.setFocused(true)
    focusManager.setFocused(undefined)
    await act(() => new Promise((done) => setTimeout(done, 15)))
    expect(soon).toHaveBeenCalled()
    expect(screen.getByLabelText('Name')).toBe(name)
    await act(() => new Promise((done) => setTimeout(done, 45)))
    expect(screen.getByLabelText('Name')).toBe(name)
    expect(name.value).toBe('Maya')
  })
})
