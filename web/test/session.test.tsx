import { cleanup, renderHook, waitFor } from '@testing-library/react'
import { act } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Visit } from '../src/api/types'
import { useSession } from '../src/live/useSession'

const visit = (over: Partial<Visit> = {}): Visit => ({
  slug: 'northlight',
  title: 'Northlight',
  state: 'live',
  server_time: new Date().toISOString(),
  me: { id: 'p1', name: 'Sam', role: 'viewer', via: 'link' },
  playback: { webrtc: 'wss://a', llhls: 'https://a' },
  picture: { available: true },
  call: { available: true },
  watermark: null,
  asks_name: false,
  invited_by: 'Maya',
  ...over,
})

let calls: { method: string; path: string; body: unknown }[]
let answers: Record<string, () => Response>
let sources: { url: string; listeners: Map<string, (event: unknown) => void>; onerror: (() => void) | null; close(): void; closed: boolean }[]

const json = (value: unknown, status = 200) => new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json' } })
const refuse = (type: string, status: number, more = {}) => json({ type, title: type, status, ...more }, status)
const emit = (name: string, payload: unknown) => act(() => sources.at(-1)?.listeners.get(name)?.({ data: JSON.stringify(payload) }))

beforeEach(() => {
  calls = []
  answers = {}
  sources = []
  localStorage.clear()
  sessionStorage.clear()
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    calls.push({ method: init.method as string, path, body: init.body ? JSON.parse(init.body as string) : undefined })
    const answer = answers[`${init.method} ${path}`]
    if (!answer) throw new TypeError('network')
    return answer()
  })
  vi.stubGlobal(
    'EventSource',
    class {
      listeners = new Map<string, (event: unknown) => void>()
      onerror: (() => void) | null = null
      onopen: (() => void) | null = null
      closed = false
      constructor(readonly url: string) {
        sources.push(this)
      }
      addEventListener(name: string, listener: (event: unknown) => void) {
        this.listeners.set(name, listener)
      }
      close() {
        this.closed = true
      }
    },
  )
})
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
  history.replaceState(null, '', '/')
})

describe('a link', () => {
  it('is exchanged once, leaves the address bar, and leads to the room', async () => {
    history.replaceState(null, '', '/j#secret-token')
    localStorage.setItem('cs.name', 'Sam')
    answers['POST /api/v1/session/link'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    expect(location.hash).toBe('')
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(location.pathname).toBe('/northlight')
    expect(calls).toEqual([{ method: 'POST', path: '/api/v1/session/link', body: { token: 'secret-token', name: 'Sam' } }])
    expect(sources.map((one) => one.url)).toEqual(['/api/v1/session/northlight/events'])
  })

  it.each(['link-expired', 'link-revoked', 'link-used-up', 'link-unknown', 'room-full', 'room-closed'])('refused as %s says so', async (type) => {
    history.replaceState(null, '', '/j#t')
    answers['POST /api/v1/session/link'] = () => refuse(type, 403)
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'refused', problem: { type } }))
  })

  it.each(['link-expired', 'link-revoked', 'link-used-up', 'link-unknown'])('refused for good as %s is not kept', async (type) => {
    history.replaceState(null, '', '/j#t')
    answers['POST /api/v1/session/link'] = () => refuse(type, 410)
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'refused', again: null }))
    expect(sessionStorage).toHaveLength(0)
  })

  it.each(['room-full', 'room-closed', 'too-many-tries', 'failed'])('refused as %s can be tried again, also after a reload', async (type) => {
    history.replaceState(null, '', '/j#t%20t')
    answers['POST /api/v1/session/link'] = () => refuse(type, 403)
    const first = renderHook(() => useSession())
    await waitFor(() => expect(first.result.current.session).toMatchObject({ kind: 'refused', problem: { type } }))
    // The address has no token any more; the tab still has.
    first.unmount()
    expect(location.hash).toBe('')
    vi.resetModules()
    const fresh = await import('../src/live/useSession')
    const { result } = renderHook(() => fresh.useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('refused'))
    answers['POST /api/v1/session/link'] = () => json(visit())
    act(() => {
      if (result.current.session.kind === 'refused') result.current.session.again?.()
    })
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(calls.map((one) => one.body)).toEqual([1, 2, 3].map(() => ({ token: 't t' })))
    expect(sessionStorage).toHaveLength(0)
  })

  it('tells whom to ask, where the server says', async () => {
    history.replaceState(null, '', '/j#t')
    answers['POST /api/v1/session/link'] = () => refuse('room-full', 403, { invitation: { host: 'Maya', room: 'Northlight' } })
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'refused', problem: { host: 'Maya', room: 'Northlight' } }))
  })

  it.each(['#%E0', '#%', '#', ''])('that came as “/j%s” opens nothing, and says so', async (hash) => {
    history.replaceState(null, '', `/j${hash}`)
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'refused', problem: { type: 'link-unknown' }, again: null }))
    expect(calls).toEqual([])
    expect(location.hash).toBe('')
  })

  it('can be tried again when the network was away', async () => {
    history.replaceState(null, '', '/j#t')
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'refused', problem: { type: 'offline' } }))
    answers['POST /api/v1/session/link'] = () => json(visit())
    act(() => {
      if (result.current.session.kind === 'refused') result.current.session.again?.()
    })
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
  })

  it('asks a new guest for a name, once', async () => {
    history.replaceState(null, '', '/j#t')
    answers['POST /api/v1/session/link'] = () => json(visit({ asks_name: true, me: { id: 'p', name: '', role: 'viewer', via: 'link' } }))
    answers['POST /api/v1/session/northlight/name'] = () => json(visit({ me: { id: 'p', name: 'Aiko', role: 'viewer', via: 'link' } }))
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('name'))
    await act(() => result.current.rename('Aiko'))
    expect(result.current.session.kind).toBe('in')
    expect(localStorage.getItem('cs.name')).toBe('Aiko')
  })
})

describe('a room', () => {
  beforeEach(() => history.replaceState(null, '', '/northlight'))

  it('shows its door to a browser it does not know', async () => {
    answers['GET /api/v1/session/northlight'] = () => refuse('session-ended', 401)
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session).toEqual({ kind: 'entry', slug: 'northlight' }))
  })

  it('lets in by passcode', async () => {
    answers['GET /api/v1/session/northlight'] = () => refuse('session-ended', 401)
    answers['POST /api/v1/session/passcode'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('entry'))
    await act(() => result.current.enter('northlight', 'right', 'Sam'))
    expect(result.current.session.kind).toBe('in')
  })

  it('follows events: live, facts, presence, ended', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit({ state: 'waiting', playback: null }))
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    emit('visit', visit())
    expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'live' } })
    emit('presence', { people: [], watching: 3, in_call: 0 })
    expect(result.current.presence?.watching).toBe(3)
    emit('facts', { live_since: '2026-11-22T10:00:00Z', receiving: true, hints: [] })
    expect(result.current.facts?.receiving).toBe(true)
    emit('facts', null)
    expect(result.current.facts).toBeNull()
    emit('ended', { reason: 'session-ended' })
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'session-ended' })
    expect(sources.at(-1)?.closed).toBe(true)
  })

  it('ends when it closes or expires while people are in', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    emit('visit', visit({ state: 'expired', playback: null }))
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'room-expired' })
  })

  it('keeps listening to a room that closed, and goes back in when it opens', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    emit('visit', visit({ state: 'closed', playback: null }))
    emit('ended', { reason: 'room-closed' })
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'room-closed' })
    expect(sources).toHaveLength(1)
    expect(sources.at(-1)?.closed).toBe(false)
    emit('visit', visit({ state: 'waiting' }))
    expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'waiting' } })
  })

  it('asks why when the stream is lost, and stops if the session is gone', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    answers['GET /api/v1/session/northlight'] = () => refuse('session-ended', 401)
    act(() => sources.at(-1)?.onerror?.())
    await waitFor(() => expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'session-ended' }))
  })

  it('stays in while the server is away', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    answers = {}
    act(() => sources.at(-1)?.onerror?.())
    await waitFor(() => expect(result.current.events).toBe('lost'))
    expect(result.current.session.kind).toBe('in')
  })

  it('is left with the place kept, and come back to', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    act(() => result.current.leave())
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'left', visit: { slug: 'northlight' } })
    expect(sources.at(-1)?.closed).toBe(true)
    act(() => result.current.comeBack('northlight'))
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(calls.some((one) => one.method === 'DELETE')).toBe(false)
  })

  it('is forgotten when a person asks for that', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    answers['DELETE /api/v1/session/northlight'] = () => new Response(null, { status: 204 })
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(localStorage.getItem('cs.name')).toBe('Sam')
    await act(() => result.current.giveUp())
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'forgotten' })
    expect(calls.at(-1)).toMatchObject({ method: 'DELETE', path: '/api/v1/session/northlight' })
    expect(localStorage.getItem('cs.name')).toBeNull()
  })

  it('does not claim to be forgotten while the server did not say so', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    await act(() => expect(result.current.giveUp()).rejects.toMatchObject({ type: 'offline' }))
    expect(result.current.session.kind).toBe('in')
    expect(localStorage.getItem('cs.name')).toBe('Sam')
    answers['DELETE /api/v1/session/northlight'] = () => {
      // The stream hears of it first.
      sources.at(-1)?.listeners.get('ended')?.({ data: JSON.stringify({ reason: 'session-ended' }) })
      return new Response(null, { status: 204 })
    }
    await act(() => result.current.giveUp())
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'forgotten' })
  })

  it('stays forgotten whatever the events still say of it', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    answers['DELETE /api/v1/session/northlight'] = () => new Response(null, { status: 204 })
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    await act(async () => {
      await result.current.giveUp()
      // Heard before the page has taken its ear away.
      sources.at(-1)?.listeners.get('ended')?.({ data: JSON.stringify({ reason: 'session-ended' }) })
    })
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'forgotten' })
  })

  it('whose place is gone already is forgotten as well', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    answers['DELETE /api/v1/session/northlight'] = () => refuse('session-ended', 401)
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    await act(() => result.current.giveUp())
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'forgotten' })
  })

  it('that was left is not entered by an answer that comes late', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit())
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    act(() => result.current.leave())
    let answer = (_response: Response) => {}
    vi.stubGlobal('fetch', () => new Promise<Response>((done) => (answer = done)))
    act(() => result.current.comeBack('northlight'))
    act(() => result.current.leave())
    await act(async () => answer(json(visit())))
    await act(async () => {})
    expect(result.current.session).toMatchObject({ kind: 'ended', reason: 'left' })
  })

  describe('while nobody answers', () => {
    beforeEach(() => void vi.useFakeTimers())
    afterEach(() => void vi.useRealTimers())
    // In steps: within one `act` nothing is rendered.
    const pass = async (ms: number) => {
      for (let left = ms; left > 0; left -= 500) await act(() => vi.advanceTimersByTimeAsync(Math.min(left, 500)))
    }

    it('is tried again by itself, later each time, and at once when the network returns', async () => {
      const { result } = renderHook(() => useSession())
      await pass(1)
      expect(result.current.session).toMatchObject({ kind: 'refused', problem: { type: 'offline' } })
      await pass(1500)
      expect(calls).toHaveLength(2)
      await pass(10_000)
      const count = calls.length
      expect(count).toBeGreaterThan(3)
      expect(count).toBeLessThan(7)
      answers['GET /api/v1/session/northlight'] = () => refuse('failed', 502)
      window.dispatchEvent(new Event('online'))
      await pass(1)
      expect(calls).toHaveLength(count + 1)
      expect(result.current.session).toMatchObject({ kind: 'refused', problem: { status: 502 } })
      answers['GET /api/v1/session/northlight'] = () => json(visit())
      window.dispatchEvent(new Event('online'))
      await pass(1)
      expect(result.current.session.kind).toBe('in')
      const then = calls.length
      await pass(60_000)
      expect(calls).toHaveLength(then)
    })

    it('is not tried again where it was refused', async () => {
      answers['GET /api/v1/session/northlight'] = () => refuse('cross-site', 403)
      const { result } = renderHook(() => useSession())
      await pass(1)
      expect(result.current.session.kind).toBe('refused')
      await pass(60_000)
      expect(calls).toHaveLength(1)
    })

    it('keeps its countdown, and goes in once it is answered', async () => {
      const opens = new Date(Date.now() + 5000).toISOString()
      answers['GET /api/v1/session/northlight'] = () => json(visit({ state: 'not-open', opens_at: opens, playback: null }))
      const { result } = renderHook(() => useSession())
      await pass(1)
      expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'not-open' } })
      answers = {}
      await pass(12_000)
      expect(calls.length).toBeGreaterThan(2)
      expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'not-open' } })
      answers['GET /api/v1/session/northlight'] = () => refuse('failed', 503)
      await pass(10_000)
      expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'not-open' } })
      answers['GET /api/v1/session/northlight'] = () => json(visit({ state: 'waiting' }))
      await pass(31_000)
      expect(result.current.session).toMatchObject({ kind: 'in', visit: { state: 'waiting' } })
    })
  })

  it('follows a rename to the new address', async () => {
    answers['GET /api/v1/session/northlight'] = () => json(visit({ slug: 'northlight-4' }))
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(location.pathname).toBe('/northlight-4')
  })

  it('counts by the server’s clock', async () => {
    const ahead = new Date(Date.now() + 90_000).toISOString()
    answers['GET /api/v1/session/northlight'] = () => json(visit({ server_time: ahead }))
    const { result } = renderHook(() => useSession())
    await waitFor(() => expect(result.current.session.kind).toBe('in'))
    expect(Math.round(result.current.clockOffset / 1000)).toBe(90)
  })
})
