// Pieces of the portal: rows, forms, edits that collide, interruptions.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import type { ReactNode } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keepRoom, keys } from '../src/admin/queries'
import { fromLocal, toLocal } from '../src/admin/rooms/localTime'
import { NewRoom } from '../src/admin/rooms/NewRoom'
import { RoomForm } from '../src/admin/rooms/RoomForm'
import { byUrgency, fits, roomDot, roomFacts } from '../src/admin/rooms/roomFacts'
import { saveWords } from '../src/admin/rooms/roomPatch'
import { plotPath } from '../src/admin/stack/plotPath'
import { remedyFor, whomApplyInterrupts } from '../src/admin/stack/remedy'
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

  it('follows what others change as long as nothing was typed', async () => {
    const view = show(first())
    view.rerender(<RoomForm room={{ ...first(), slug: 'north', etag: '"n"' }} />)
    await waitFor(() => expect(field('slug').value).toBe('north'))
  })

  it('says before saving whom it interrupts', () => {
    expect(saveWords({ title: 'x' }, first())).toBe('Interrupts nobody.')
    expect(saveWords({ profile: 'fast' }, first())).toContain('The encoder is cut')
    expect(saveWords({ profile: 'fast' }, rooms()[2] as Room)).toBe('Nobody is in the room.')
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

describe('the stack', () => {
  it('names whom an immediate apply interrupts', () => {
    expect(whomApplyInterrupts(data.status('ready') as never)).toBe('This interrupts nobody.')
    expect(whomApplyInterrupts(data.status('degraded') as never)).toMatch(/^4 people are watching, 3 people are in a call and 1 encoder is streaming\./)
  })
  it('offers a button only where it can help', () => {
    const issue = { severity: 'error' as const, subject: '', what: '', why: '', fix: '' }
    expect(remedyFor({ ...issue, code: 'paused' })?.act).toBe('resume')
    expect(remedyFor({ ...issue, code: 'replacement-failed' })?.act).toBe('apply-now')
    expect(remedyFor({ ...issue, code: 'simulated' })).toBeNull()
    expect(remedyFor({ ...issue, code: 'certificate-invalid' })?.act).toBe('look')
  })
  it('draws gaps where nothing was measured', () => {
    expect(plotPath([0, 10, null, 5], 30, 24)).toBe('M0.0 23.0L10.0 3.0M30.0 13.0')
  })
})
