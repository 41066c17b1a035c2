// Browsers count frames in different places: a false video of each kind.
import type { OvenOptions } from 'ovenplayer'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { framesOf, pulse } from '../src/live/player/frames'
import { PlayerKeeper, type PlayerView } from '../src/live/player/keeper'
import { StatsReader } from '../src/live/player/stats'

type Tell = (at: number, frame: { presentedFrames: number }) => void

/** A video as Firefox has it for a connection: its own figures are 0 for ever, its frames are told one by one. */
function firefox() {
  const video = document.createElement('video')
  let tell: Tell | null = null
  let presented = 0
  Object.assign(video, {
    getVideoPlaybackQuality: () => ({ totalVideoFrames: 0, droppedVideoFrames: 0 }),
    requestVideoFrameCallback: (next: Tell) => {
      tell = next
      return 1
    },
  })
  return {
    video,
    show: () => {
      presented += 1
      const told = tell
      tell = null
      told?.(0, { presentedFrames: presented })
    },
  }
}

const peerWith = (figures: () => Record<string, unknown>) => ({ connectionState: 'connected', getStats: async () => new Map([['v', { id: 'v', type: 'inbound-rtp', kind: 'video', ...figures() }]]) }) as unknown as RTCPeerConnection
/** One without frame callbacks: happy-dom's own has none. */
const old = (more: object = {}) => Object.assign(document.createElement('video'), more)
const settle = () => new Promise((done) => setTimeout(done))

describe('frames', () => {
  it('are those the browser says it presented, where the video’s own figures stay 0', () => {
    const { video, show } = firefox()
    expect(pulse(video, null)).toBe(0)
    show()
    show()
    expect(framesOf(video, null)).toEqual({ shown: 2, dropped: null })
    expect(pulse(video, null)).toBe(2)
  })

  it('are the video’s own figures where those count', () => {
    const video = old({ getVideoPlaybackQuality: () => ({ totalVideoFrames: 12, droppedVideoFrames: 2 }) })
    expect(framesOf(video, null)).toEqual({ shown: 10, dropped: 2 })
  })

  it('are those the connection decoded, where nothing else is told; not while the video is paused', async () => {
    let framesDecoded = 7
    const peer = peerWith(() => ({ framesDecoded }))
    const video = old({ getVideoPlaybackQuality: () => ({ totalVideoFrames: 0, droppedVideoFrames: 0 }) })
    const look = async () => {
      pulse(video, peer)
      await settle()
      const seen = pulse(video, peer)
      await settle()
      return seen
    }
    expect(await look()).toBe(0)
    await video.play()
    expect(await look()).toBeGreaterThan(0)
    expect(framesOf(video, peer)).toEqual({ shown: 7, dropped: null })
    const before = await look()
    framesDecoded = 9
    expect(await look()).toBeGreaterThan(before)
  })

  it('still come while none is presented: of a video that has no room on the page', async () => {
    let framesDecoded = 1
    const peer = peerWith(() => ({ framesDecoded }))
    const { video, show } = firefox()
    await video.play()
    pulse(video, peer)
    show()
    await settle()
    const before = pulse(video, peer)
    await settle()
    framesDecoded = 2
    pulse(video, peer)
    await settle()
    expect(pulse(video, peer)).toBeGreaterThan(before)
    expect(framesOf(video, peer)).toEqual({ shown: 1, dropped: null })
  })

  it('are the clock of the video at the very last', () => {
    const video = old({ getVideoPlaybackQuality: undefined })
    Object.defineProperties(video, { readyState: { value: 1, configurable: true }, currentTime: { value: 3.2 } })
    expect(pulse(video, null)).toBe(0)
    Object.defineProperty(video, 'readyState', { value: 4 })
    expect(pulse(video, null)).toBe(3.2)
  })
})

describe('a browser whose own figures stay 0 for a connection', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it('keeps WebRTC, and notices when it stops', async () => {
    const made: { transport: string; show: () => void }[] = []
    const views: PlayerView[] = []
    const load = async () => (_box: HTMLElement, options: OvenOptions) => {
      const { video, show } = firefox()
      made.push({ transport: options.sources[0]?.type ?? '', show })
      return { on: () => {}, getMediaElement: () => video, setMute: () => {}, setVolume: () => {}, remove: () => {} } as never
    }
    const keeper = new PlayerKeeper(document.createElement('div'), { load, hidden: () => false, random: () => 0.5 }, (view) => views.push(view))
    const pass = async (ms: number, plays: boolean) => {
      for (let left = ms; left > 0; left -= 50) {
        if (plays) made.at(-1)?.show()
        await vi.advanceTimersByTimeAsync(50)
      }
    }
    keeper.setPlayback({ webrtc: 'wss://a', llhls: 'https://a' })
    await pass(20_000, true)
    expect(views.at(-1)).toMatchObject({ phase: 'playing', transport: 'webrtc' })
    expect(made.map((one) => one.transport)).toEqual(['webrtc'])
    await pass(4000, false)
    expect(made.length).toBe(2)
    keeper.dispose()
  })

  it('has figures all the same: shown by the video, dropped by the connection', async () => {
    const { video, show } = firefox()
    Object.defineProperties(video, { videoWidth: { value: 640 }, videoHeight: { value: 360 } })
    let framesDropped = 0
    const peer = peerWith(() => ({ framesDropped, framesDecoded: 999, bytesReceived: 1 }))
    let at = 1000
    vi.spyOn(performance, 'now').mockImplementation(() => at)
    const reader = new StatsReader()
    await reader.read('webrtc', video, peer)
    show()
    await reader.read('webrtc', video, peer)
    at += 1000
    for (let n = 0; n < 24; n++) show()
    framesDropped = 2
    expect(await reader.read('webrtc', video, peer)).toMatchObject({ fps: 24, decoded: 24, dropped: 2, decodedInAll: 25, droppedInAll: 2 })
  })
})
