import { describe, expect, it } from 'vitest'
import type { StreamFacts } from '../src/api/types'
import type { Sample } from '../src/live/player/stats'
import { encoderFigures, serverFigures, yourFigures } from '../src/live/quality/QualityPanel'
import { type Evidence, firstTrouble, verdicts } from '../src/live/quality/verdict'

const facts: StreamFacts = {
  live_since: '2026-11-22T10:00:00Z',
  protocol: 'srt',
  video: { codec: 'h264', width: 1920, height: 1080, fps: 25, bitrate: 8e6, keyframe_seconds: 1, b_frames: false },
  audio: null,
  receiving: true,
  viewers: 1,
  callers: 0,
  server: { bitrate_in: 8_200_000, bitrate_out: 16_400_000, webrtc: 2, llhls: 0 },
  hints: [],
}
const sample: Sample = { transport: 'webrtc', width: 1920, height: 1080, codec: 'H264', fps: 25, arrived: 25, bitrate: 8e6, loss: 0, jitterMs: 4, roundTripMs: 18, dropped: 0, decoded: 25, decodedInAll: 1200, droppedInAll: 3, delayMs: 50 }
const well: Evidence = { facts, events: 'open', picture: { available: true }, phase: 'playing', late: false, saw: null, fallback: null, sample }

const lights = (evidence: Partial<Evidence>) => {
  const all = verdicts({ ...well, ...evidence })
  return [all.encoder.light, all.server.light, all.you.light]
}

describe('is it them or me', () => {
  it('is green throughout when all is well', () => {
    expect(lights({})).toEqual(['good', 'good', 'good'])
    expect(firstTrouble(verdicts(well))).toBeNull()
  })
  it('blames the encoder for silence', () => {
    expect(lights({ facts: { ...facts, receiving: false } })[0]).toBe('error')
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
    expect(verdicts({ ...well, sample: { ...sample, fps: 12, decoded: 12 } }).you.fix).toBe('Close other tabs and programs.')
    expect(verdicts({ ...well, sample: { ...sample, fps: 21 } }).you).toMatchObject({ light: 'warning', line: 'Shows 21 of 25 frames' })
    expect(verdicts({ ...well, sample: { ...sample, roundTripMs: 420 } }).you.light).toBe('warning')
    expect(verdicts({ ...well, sample: { ...sample, jitterMs: 80 } }).you.light).toBe('warning')
  })
  it('blames the network only for what it was seen to do', () => {
    const slow = { ...sample, fps: 12, arrived: 12, decoded: 12 }
    const of = (over: Partial<Sample>) => {
      const { light, why, fix } = verdicts({ ...well, sample: { ...slow, ...over } }).you
      return { light, words: `${why} ${fix}` }
    }
    expect(of({})).toMatchObject({ light: 'error', words: expect.not.stringMatching(/Wi-Fi|cable/) })
    expect(of({ arrived: null }).words).not.toMatch(/Wi-Fi|cable/)
    expect(of({ transport: 'llhls', arrived: null, loss: null, jitterMs: null }).words).not.toMatch(/Wi-Fi|cable/)
    expect(of({ loss: 0.03 }).words).toContain('Wi-Fi')
    expect(of({ jitterMs: 80 }).words).toContain('Wi-Fi')
    // They arrive, and are not shown: that is this computer.
    expect(of({ arrived: 25, jitterMs: 80 }).words).not.toMatch(/Wi-Fi|cable/)
  })
  it('says plainly when it plays the compatible way, and of the cause only what is known', () => {
    const why = (fallback: Evidence['fallback']) => verdicts({ ...well, fallback, sample: { ...sample, transport: 'llhls' } }).you
    expect(why('blocked')).toMatchObject({ light: 'warning', line: 'Compatible mode, about 2 s behind', why: expect.stringContaining('UDP') })
    for (const fallback of ['refused', 'unanswered', 'dark', null] as const) expect(why(fallback).why).not.toMatch(/UDP|network|VPN/)
    expect(why('refused').why).toBe('The server refused direct media.')
  })
  it('knows when the media server is not well, though its own line to the page stands', () => {
    const picture = { available: false, why: 'The media server does not answer, or is being started.' }
    expect(verdicts({ ...well, picture }).server).toMatchObject({ light: 'warning', why: picture.why })
    expect(lights({ picture, facts: null, phase: 'off', sample: null })[1]).toBe('error')
    const stuck = { ...facts, server: { bitrate_in: 8e6, bitrate_out: 0, webrtc: 1, llhls: 0 } }
    expect(lights({ facts: stuck, phase: 'connecting', sample: null })[1]).toBe('error')
    expect(lights({ facts: stuck })[1]).toBe('good')
    // Nobody is connected, this browser neither: not the server's doing.
    const idle = { ...facts, server: { bitrate_in: 8e6, bitrate_out: 0, webrtc: 0, llhls: 0 } }
    expect(lights({ facts: idle, phase: 'reconnecting', sample: null })).toEqual(['good', 'good', 'error'])
  })
  it('does not call an encoder steady of which nothing is heard any more', () => {
    expect(verdicts({ ...well, facts: null }).encoder).toEqual({ light: 'unknown', line: 'No encoder is sending' })
    expect(lights({ events: 'lost' })[0]).toBe('unknown')
  })
  it('names the first trouble in the order the picture travels', () => {
    const all = verdicts({ ...well, facts: { ...facts, receiving: false }, sample: { ...sample, loss: 0.2 } })
    expect(firstTrouble(all)?.where).toBe('encoder')
  })
  it('says who is refused the picture, whatever else is well', () => {
    const of = (refused: 'full' | 'network', phase: Evidence['phase'] = 'connecting') => verdicts({ ...well, picture: { available: true, refused }, phase, sample: null })
    expect(of('full').you).toMatchObject({ light: 'error', line: 'No seat is free' })
    expect(of('network', 'off').you).toMatchObject({ light: 'error', line: 'Not from this network' })
    expect(firstTrouble(of('full'))?.where).toBe('you')
    // What plays is not refused.
    expect(verdicts({ ...well, picture: { available: true, refused: 'network' } }).you.light).toBe('good')
  })
  it('does not call it well when no picture comes, and says what was seen', () => {
    const waits = (over: Partial<Evidence>) => verdicts({ ...well, phase: 'connecting', sample: null, ...over })
    expect(waits({}).you.light).toBe('unknown')
    expect(firstTrouble(waits({ late: true }))).toMatchObject({ where: 'you', verdict: { light: 'error', line: 'No picture comes' } })
    expect(waits({ late: true, saw: 'blocked' }).you.why).toContain('VPN')
    for (const saw of ['refused', 'unanswered', 'dark'] as const) expect(waits({ late: true, saw }).you.why).not.toContain('VPN')
    expect(waits({ phase: 'reconnecting', late: true, saw: 'unanswered' }).you.why).toContain('does not answer')
  })
  it('waits for a person where the browser does', () => {
    expect(verdicts({ ...well, phase: 'needs-tap', sample: null }).you).toMatchObject({ light: 'warning', fix: 'Press “Show the picture”.' })
  })
  it('knows nothing before there is a picture', () => {
    expect(lights({ facts: null, phase: 'off', sample: null })).toEqual(['unknown', 'good', 'unknown'])
  })
})

describe('the figures', () => {
  const now = Date.parse('2026-11-22T10:42:00Z')
  it('are all there, each with its unit', () => {
    expect(encoderFigures(facts)).toEqual([
      ['Picture', '1920 × 1080'],
      ['Frames', '25 fps'],
      ['Codec', 'H.264'],
      ['Bitrate', '8.0 Mb/s'],
      ['Keyframes', 'each 1.0 s'],
      ['B-frames', 'none'],
      ['Sound', '–'],
      ['Sends by', 'SRT'],
    ])
    expect(serverFigures(facts, now)).toEqual([
      ['Live for', '42 min'],
      ['Receives', '8.2 Mb/s'],
      ['Sends', '16.4 Mb/s'],
      ['By WebRTC', '2 connections'],
      ['By LLHLS', '0 connections'],
      ['Watching', '1 person'],
      ['In the call', '0 people'],
    ])
    expect(yourFigures(sample, facts)).toEqual([
      ['Picture', '1920 × 1080'],
      ['Frames', '25 fps'],
      ['Codec', 'H.264'],
      ['Bitrate', '8.0 Mb/s'],
      ['By', 'WebRTC'],
      ['Loss', '0.0 %'],
      ['Jitter', '4 ms'],
      ['Round trip', '18 ms'],
      ['Delay', '50 ms'],
      ['Decoded in all', '1200 frames'],
      ['Dropped in all', '3 frames'],
    ])
  })
  it('are dashes where nothing is known, in every line', () => {
    for (const lines of [encoderFigures(null), serverFigures(null, now), yourFigures(null, null)]) expect(lines.every(([, value]) => value === '–')).toBe(true)
  })
  it('of LLHLS take the codec as sent, and seconds of delay as seconds', () => {
    const over = yourFigures({ ...sample, transport: 'llhls', codec: null, delayMs: 1840 }, facts)
    expect(over).toContainEqual(['Codec', 'H.264'])
    expect(over).toContainEqual(['Delay', '1.8 s'])
  })
})
