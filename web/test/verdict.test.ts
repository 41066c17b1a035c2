import { describe, expect, it } from 'vitest'
import type { StreamFacts } from '../src/api/types'
import type { Sample } from '../src/live/player/stats'
import { type Evidence, firstTrouble, verdicts } from '../src/live/quality/verdict'

const facts: StreamFacts = {
  live_since: '2026-11-22T10:00:00Z',
  protocol: 'srt',
  video: { codec: 'h264', width: 1920, height: 1080, fps: 25, bitrate: 8e6, keyframe_seconds: 1, b_frames: false },
  audio: null,
  receiving: true,
  viewers: 1,
  callers: 0,
  hints: [],
}
const sample: Sample = { transport: 'webrtc', width: 1920, height: 1080, codec: 'H264', fps: 25, bitrate: 8e6, loss: 0, jitterMs: 4, roundTripMs: 18, dropped: 0, decoded: 25, delayMs: 50 }
const well: Evidence = { facts, events: 'open', phase: 'playing', sample }

const lights = (evidence: Partial<Evidence>) => {
  const all = verdicts({ ...well, ...evidence })
  return [all.encoder.light, all.server.light, all.you.light]
}

describe('is it them or me', () => {
  it('is green throughout when all is well', () => {
    expect(lights({})).toEqual(['good', 'good', 'good'])
    expect(firstTrouble(verdicts(well))).toBeNull()
  })
  it('blames the encoder for B-frames, slow keyframes, silence and missing video', () => {
    const video = facts.video as NonNullable<StreamFacts['video']>
    expect(lights({ facts: { ...facts, video: { ...video, b_frames: true } } })[0]).toBe('warning')
    expect(lights({ facts: { ...facts, video: { ...video, keyframe_seconds: 4 } } })[0]).toBe('warning')
    expect(lights({ facts: { ...facts, receiving: false } })[0]).toBe('error')
    expect(lights({ facts: { ...facts, video: null } })[0]).toBe('error')
  })
  it('passes the server’s own hints on, the worst first', () => {
    const hints = [
      { level: 'warning' as const, what: 'soft', why: 'w', fix: 'f' },
      { level: 'error' as const, what: 'hard', why: 'w', fix: 'f' },
    ]
    expect(verdicts({ ...well, facts: { ...facts, hints } }).encoder).toMatchObject({ light: 'error', line: 'hard' })
  })
  it('does not alarm while the picture goes on without news from the server', () => {
    expect(lights({ events: 'lost' })[1]).toBe('warning')
    expect(lights({ events: 'lost', phase: 'reconnecting', sample: null })[1]).toBe('error')
  })
  it('tells loss, slowness and distance at the viewer apart', () => {
    expect(verdicts({ ...well, sample: { ...sample, loss: 0.08 } }).you).toMatchObject({ light: 'error', line: '8.0 % of the packets are lost' })
    expect(verdicts({ ...well, sample: { ...sample, loss: 0.02 } }).you.light).toBe('warning')
    expect(verdicts({ ...well, sample: { ...sample, fps: 12, decoded: 12, dropped: 13 } }).you).toMatchObject({ light: 'error', fix: 'Close other tabs and programs.' })
    expect(verdicts({ ...well, sample: { ...sample, fps: 12, decoded: 12 } }).you.why).toBe('Frames arrive too slowly.')
    expect(verdicts({ ...well, sample: { ...sample, fps: 21 } }).you).toMatchObject({ light: 'warning', line: 'Shows 21 of 25 frames' })
    expect(verdicts({ ...well, sample: { ...sample, roundTripMs: 420 } }).you.light).toBe('warning')
    expect(verdicts({ ...well, sample: { ...sample, jitterMs: 80 } }).you.light).toBe('warning')
  })
  it('says plainly when it plays the compatible way', () => {
    expect(verdicts({ ...well, sample: { ...sample, transport: 'llhls' } }).you.line).toBe('Compatible mode, about 2 s behind')
  })
  it('names the first trouble in the order the picture travels', () => {
    const all = verdicts({ ...well, facts: { ...facts, receiving: false }, sample: { ...sample, loss: 0.2 } })
    expect(firstTrouble(all)?.where).toBe('encoder')
  })
  it('knows nothing before there is a picture', () => {
    expect(lights({ facts: null, phase: 'off', sample: null })).toEqual(['unknown', 'good', 'unknown'])
  })
})
