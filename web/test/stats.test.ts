// What a browser counts, as figures: a false video and a false connection.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StatsReader } from '../src/live/player/stats'

const ranges = (...ends: number[]) => ({ length: ends.length, start: () => 0, end: (at: number) => ends[at] as number }) as TimeRanges
let total: number
let dropped: number
let rtp: Record<string, unknown>
let at: number
const video = { getVideoPlaybackQuality: () => ({ totalVideoFrames: total, droppedVideoFrames: dropped }), videoWidth: 1280, videoHeight: 720, currentTime: 10, buffered: ranges(10.4), seekable: ranges(11.6) } as unknown as HTMLVideoElement
const peer = {
  getStats: async () =>
    new Map<string, Record<string, unknown>>([
      ['v', { id: 'v', type: 'inbound-rtp', kind: 'video', codecId: 'c', ...rtp }],
      ['a', { id: 'a', type: 'inbound-rtp', kind: 'audio', packetsLost: 900 }],
      ['c', { id: 'c', type: 'codec', mimeType: 'video/H264' }],
      ['p', { id: 'p', type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.02 }],
    ]),
} as unknown as RTCPeerConnection

beforeEach(() => {
  total = 100
  dropped = 10
  rtp = { bytesReceived: 1_000_000, packetsReceived: 1000, packetsLost: 5, framesReceived: 110, framesDecoded: 105, jitter: 0.004, jitterBufferDelay: 4, jitterBufferEmittedCount: 100, totalDecodeTime: 0.5 }
  at = 1000
  vi.spyOn(performance, 'now').mockImplementation(() => at)
})
afterEach(() => vi.restoreAllMocks())

describe('the figures of this browser', () => {
  it('have no rates at the first look, but what there is in all', async () => {
    const sample = await new StatsReader().read('webrtc', video, peer)
    expect(sample).toMatchObject({ fps: null, bitrate: null, loss: null, decodedInAll: 90, droppedInAll: 10, codec: 'H264', roundTripMs: 20, jitterMs: 4, width: 1280, height: 720 })
  })

  it('count a dropped frame once: the total contains it', async () => {
    const reader = new StatsReader()
    await reader.read('webrtc', video, peer)
    at += 2000
    total += 50
    dropped += 20
    const sample = await reader.read('webrtc', video, peer)
    expect(sample).toMatchObject({ decoded: 30, dropped: 20, fps: 15, decodedInAll: 120, droppedInAll: 30 })
    // 20 of 50 were dropped.
    expect(sample.dropped / (sample.dropped + sample.decoded)).toBe(0.4)
  })

  it('are differences: bitrate, loss, frames that arrived, delay', async () => {
    const reader = new StatsReader()
    await reader.read('webrtc', video, peer)
    at += 1000
    total += 25
    rtp = { ...rtp, bytesReceived: 1_125_000, packetsReceived: 1095, packetsLost: 10, framesReceived: 135, framesDecoded: 130, jitterBufferDelay: 5, jitterBufferEmittedCount: 125, totalDecodeTime: 0.625 }
    const sample = await reader.read('webrtc', video, peer)
    expect(sample).toMatchObject({ bitrate: 1_000_000, loss: 0.05, arrived: 25, fps: 25 })
    // 40 ms in the buffer, 5 ms of decoding, half of 20 ms on the way.
    expect(sample.delayMs).toBeCloseTo(55, 5)
  })

  it('begin anew when a new connection counts from zero', async () => {
    const reader = new StatsReader()
    await reader.read('webrtc', video, peer)
    at += 1000
    total = 3
    dropped = 0
    expect(await reader.read('webrtc', video, peer)).toMatchObject({ fps: null, decoded: 0, dropped: 0, decodedInAll: 3 })
  })

  it('over LLHLS tell how far the newest moment is away, and nothing they cannot know', async () => {
    const sample = await new StatsReader().read('llhls', video, null)
    expect(sample.delayMs).toBeCloseTo(1600, 5)
    expect(sample).toMatchObject({ loss: null, jitterMs: null, roundTripMs: null, arrived: null, codec: null })
  })
})
