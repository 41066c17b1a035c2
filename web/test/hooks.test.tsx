// The hooks that hold a page together, with false servers and players.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, render, renderHook, screen, waitFor } from '@testing-library/react'
import { act, type ReactNode, useRef } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keys, useLiveEvents, useRooms, useStatus } from '../src/admin/queries'
import { ProfileField } from '../src/admin/rooms/ProfileField'
import { profileWords } from '../src/admin/rooms/profileWords'
import type { JournalEntry, Playback, Profile, Room, Status } from '../src/api/types'
import { usePlayer } from '../src/live/player/usePlayer'
import * as data from '../mock/data.mjs'

class FakeSource {
  static made: FakeSource[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  readonly listeners = new Map<string, (event: { data: string }) => void>()
  closed = false
  constructor(readonly url: string) {
    FakeSource.made.push(this)
  }
  addEventListener(name: string, listener: (event: { data: string }) => void) {
    this.listeners.set(name, listener)
  }
  close() {
    this.closed = true
  }
  send(name: string, payload: unknown) {
    act(() => this.listeners.get(name)?.({ data: JSON.stringify(payload) }))
  }
}

const rooms = () => data.rooms() as Room[]
let client: QueryClient
let asked: string[]
let answers: Record<string, unknown>
const within = ({ children }: { children: ReactNode }) => <QueryClientProvider client={client}>{children}</QueryClientProvider>

beforeEach(() => {
  client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 60_000 } } })
  asked = []
  answers = {}
  FakeSource.made = []
  vi.stubGlobal('EventSource', FakeSource)
  vi.stubGlobal('fetch', async (path: string) => {
    asked.push(path)
    const known = Object.keys(answers).find((start) => path.startsWith(start))
    return new Response(JSON.stringify(known ? answers[known] : { type: 'not-found', title: 'no', status: 404 }), { status: known ? 200 : 404 })
  })
})
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
})

describe('useRooms', () => {
  it('asks until there is no further page', async () => {
    const [first, second] = rooms() as [Room, Room]
    answers = { '/api/v1/rooms?archived=false&after=p2': { items: [second], next: null }, '/api/v1/rooms?archived=false': { items: [first], next: 'p2' } }
    const { result } = renderHook(() => useRooms(false), { wrapper: within })
    await waitFor(() => expect(result.current.data?.map((room) => room.id)).toEqual([first.id, second.id]))
    expect(asked).toHaveLength(2)
  })

  it('shows what the events say, without asking again', async () => {
    const [first, second] = rooms() as [Room, Room]
    answers = { '/api/v1/rooms': { items: [first, second], next: null } }
    const { result } = renderHook(() => ({ rooms: useRooms(false), events: useLiveEvents() }), { wrapper: within })
    await waitFor(() => expect(result.current.rooms.data).toHaveLength(2))
    const before = asked.length
    FakeSource.made[0]?.send('rooms', [{ ...first, title: 'Renamed', etag: '"9"' }, { ...second, archived: true }])
    await waitFor(() => expect(result.current.rooms.data?.map((room) => room.title)).toEqual(['Renamed']))
    expect(asked).toHaveLength(before)
  })
})

describe('useStatus', () => {
  const status = data.status('ready') as Status

  it('is asked once, then follows the events; the journal takes the newest first', async () => {
    answers = { '/api/v1/status': status }
    const { result, unmount } = renderHook(() => ({ status: useStatus(), events: useLiveEvents() }), { wrapper: within })
    await waitFor(() => expect(result.current.status.data?.summary).toBe('ready'))
    const entry = (id: number) => ({ id, at: status.at, role: null, what: `step ${id}`, why: '', outcome: 'done', took_ms: 1, error: null }) as JournalEntry
    client.setQueryData(keys.journal('', ''), [entry(1)])
    FakeSource.made[0]?.send('status', { ...status, summary: 'degraded' })
    FakeSource.made[0]?.send('journal', [entry(2), entry(3)])
    await waitFor(() => expect(result.current.status.data?.summary).toBe('degraded'))
    expect(client.getQueryData<JournalEntry[]>(keys.journal('', ''))?.map((one) => one.id)).toEqual([3, 2, 1])
    expect(asked.filter((path) => path.endsWith('/status'))).toHaveLength(1)
    unmount()
    expect(FakeSource.made.every((source) => source.closed)).toBe(true)
  })
})

describe('usePlayer', () => {
  const playback: Playback = { webrtc: 'wss://a/live/s?ticket=t', llhls: 'https://a/live/s/llhls.m3u8?ticket=t' }
  let made: { removed: boolean; muted: boolean }[]
  let load: ReturnType<typeof vi.fn>
  let deps: Parameters<typeof usePlayer>[2]

  function Screen({ playback: given }: { playback: Playback | null }) {
    const stage = useRef<HTMLDivElement>(null)
    const player = usePlayer(stage, given, deps)
    return (
      <div>
        <div ref={stage} data-testid="stage" />
        <p>{player.phase}</p>
        <button type="button" onClick={() => player.setMuted(false)}>
          hear
        </button>
      </div>
    )
  }

  beforeEach(() => {
    made = []
    load = vi.fn(async () => () => {
      const one = { removed: false, muted: true, on: () => {}, getMediaElement: () => null, setMute: (muted: boolean) => void (one.muted = muted), setVolume: () => {}, play: () => {}, pause: () => {}, remove: () => void (one.removed = true) }
      made.push(one)
      return one
    })
    deps = { load: load as never }
  })

  it('fetches the player while people wait, makes one when the room is live, and takes it away after', async () => {
    const view = render(<Screen playback={null} />)
    expect(load).toHaveBeenCalledTimes(1)
    expect(made).toHaveLength(0)
    view.rerender(<Screen playback={playback} />)
    await waitFor(() => expect(made).toHaveLength(1))
    expect(screen.getByText('connecting')).toBeTruthy()
    // The same addresses in another object are no news.
    view.rerender(<Screen playback={{ ...playback }} />)
    await Promise.resolve()
    expect(made).toHaveLength(1)
    view.rerender(<Screen playback={null} />)
    expect(made[0]?.removed).toBe(true)
    expect(screen.getByText('off')).toBeTruthy()
    expect(screen.getByTestId('stage').childElementCount).toBe(0)
  })

  it('unmutes the player there is, and leaves nothing behind', async () => {
    const view = render(<Screen playback={playback} />)
    await waitFor(() => expect(made).toHaveLength(1))
    act(() => screen.getByText('hear').click())
    expect(made[0]?.muted).toBe(false)
    view.unmount()
    expect(made[0]?.removed).toBe(true)
  })
})

describe('a quality profile', () => {
  const profile: Profile = { name: 'live', title: 'Live', min_bitrate: null, chunk_seconds: 0.5, segment_seconds: 1, audio_bitrate: 128_000 }

  it('says what it is for', () => {
    expect(profileWords(profile)).toBe('For most reviews: about 2 s behind where direct media is blocked, a keyframe every 1 s, sound at 128 kb/s.')
    expect(profileWords({ ...profile, chunk_seconds: 0.2, min_bitrate: 8_000_000 })).toMatch(/^Quickest: about 1 s behind .* warns below 8\.0 Mb\/s\.$/)
    expect(profileWords({ ...profile, chunk_seconds: 2, segment_seconds: 4 })).toMatch(/^For poor networks: about 6 s behind .* every 4 s/)
  })

  it('is chosen from those of the settings; one that is gone can still be read', async () => {
    answers = { '/api/v1/profiles': { items: [profile, { ...profile, name: 'fast', title: 'Fast', chunk_seconds: 0.2 }] } }
    const choice = () => screen.getByRole('combobox') as HTMLSelectElement
    const view = render(<ProfileField value="fast" />, { wrapper: within })
    await waitFor(() => expect([...choice().options].map((one) => one.text)).toEqual(['Live', 'Fast']))
    expect(choice().value).toBe('fast')
    expect(screen.getByText(/^Quickest/)).toBeTruthy()
    view.unmount()
    render(<ProfileField value="gone" />, { wrapper: within })
    expect(choice().value).toBe('gone')
    expect(screen.getByText(/Not among the profiles/)).toBeTruthy()
  })
})
