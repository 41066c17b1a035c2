// The player's owner against a false OvenPlayer and a false clock.
import type { OvenOptions } from 'ovenplayer'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type KeeperDeps, PlayerKeeper, type PlayerView } from '../src/live/player/keeper'

const PLAYBACK = { webrtc: 'wss://live/live/s?ticket=t', llhls: 'https://live/live/s/llhls.m3u8?ticket=t' }

class FakePlayer {
  readonly listeners = new Map<string, (payload?: unknown) => void>()
  readonly video = document.createElement('video')
  removed = false
  muted: boolean
  frames = 0
  readonly transport: string
  constructor(options: OvenOptions) {
    this.transport = options.sources[0]?.type ?? ''
    this.muted = options.mute ?? false
  }
  on = (event: string, listener: (payload?: unknown) => void) => void this.listeners.set(event, listener)
  getMediaElement = () => this.video
  setMute = (muted: boolean) => {
    this.muted = muted
  }
  setVolume = () => {}
  play = () => {}
  pause = () => {}
  remove = () => {
    this.removed = true
  }
  fail = () => this.listeners.get('error')?.({ code: 501 })
}

let made: FakePlayer[]
let views: PlayerView[]
let keeper: PlayerKeeper
let stage: HTMLElement
let hidden: boolean

/** Time passes; players told to play show a frame every 40 ms. */
let running: FakePlayer[]
async function pass(ms: number) {
  for (let left = ms; left > 0; left -= 50) {
    for (const one of running) one.frames += 1
    await vi.advanceTimersByTimeAsync(Math.min(50, left))
  }
}
const last = () => made.at(-1) as FakePlayer
const view = () => views.at(-1)
const alive = () => made.filter((one) => !one.removed)

beforeEach(() => {
  vi.useFakeTimers()
  made = []
  views = []
  running = []
  hidden = false
  stage = document.createElement('div')
  const deps: KeeperDeps = {
    load: async () => (_box, options) => {
      const player = new FakePlayer(options)
      made.push(player)
      return player as never
    },
    frames: (video) => made.find((one) => one.video === video)?.frames ?? 0,
    random: () => 0.5,
    hidden: () => hidden,
  }
  keeper = new PlayerKeeper(stage, deps, (next) => views.push(next))
})
afterEach(() => {
  keeper.dispose()
  vi.useRealTimers()
})

describe('the player', () => {
  it('exists only while the room is live', async () => {
    await pass(1000)
    expect(made).toHaveLength(0)
    keeper.setPlayback(PLAYBACK)
    await pass(100)
    expect(last().transport).toBe('webrtc')
    running = [last()]
    await pass(300)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'webrtc' })
    keeper.setPlayback(null)
    expect(last().removed).toBe(true)
    expect(stage.children).toHaveLength(0)
    expect(view()?.phase).toBe('off')
    await pass(20_000)
    expect(made).toHaveLength(1)
  })

  it('falls back to LLHLS within 4 s when WebRTC never shows a frame', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    expect(made.map((one) => one.transport)).toEqual(['webrtc', 'llhls'])
    running = [last()]
    await pass(1000)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'llhls' })
    expect(alive()).toHaveLength(1)
  })

  it('is made anew after an error, later each time, at most 3 s', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    running = [last()]
    await pass(500)
    running = []
    const waits: number[] = []
    for (let i = 0; i < 4; i++) {
      const count = made.length
      const before = Date.now()
      last().listeners.get('error')?.({ code: 302 })
      while (made.length === count) await pass(50)
      waits.push(Date.now() - before)
      // Play shortly only the first time; then keep failing at once.
      expect(view()?.phase).toBe('reconnecting')
      if (last().transport === 'llhls') break
    }
    expect(waits[0]).toBeLessThanOrEqual(600)
    expect(waits[1]).toBeGreaterThan(waits[0] as number)
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(3050)
  })

  it('begins with WebRTC again once a picture was seen, without delay growing', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    for (let i = 0; i < 3; i++) {
      running = [last()]
      await pass(500)
      expect(view()?.phase).toBe('playing')
      running = []
      last().fail()
      await pass(650)
    }
    expect(made.map((one) => one.transport)).toEqual(['webrtc', 'webrtc', 'webrtc', 'webrtc'])
  })

  it('suspects WebRTC only after three quick refusals', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    last().fail()
    await pass(700)
    last().fail()
    await pass(1300)
    expect(last().transport).toBe('webrtc')
    last().fail()
    await pass(50)
    expect(last().transport).toBe('llhls')
  })

  it('notices that frames stopped, and lets a hidden page be', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    running = [last()]
    await pass(500)
    running = []
    hidden = true
    await pass(10_000)
    expect(made).toHaveLength(1)
    hidden = false
    await pass(2500)
    expect(made).toHaveLength(1)
    await pass(1500)
    expect(made).toHaveLength(2)
    expect(made[0]?.removed).toBe(true)
  })

  it('is patient with a connection that stands but shows nothing yet', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    last().listeners.get('peerConnectionPrepared')?.({ connectionState: 'connected' })
    await pass(5500)
    expect(made).toHaveLength(1)
    await pass(800)
    expect(last().transport).toBe('llhls')
  })

  it('returns from LLHLS to WebRTC without taking the picture away', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    const fallback = last()
    running = [fallback]
    await pass(31_000)
    const probe = last()
    expect(probe.transport).toBe('webrtc')
    expect(probe.muted).toBe(true)
    expect(fallback.removed).toBe(false)
    running = [fallback, probe]
    await pass(400)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'webrtc' })
    expect(fallback.removed).toBe(true)
    expect(alive()).toEqual([probe])
  })

  it('keeps the fallback when the probe fails, and asks less often', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    const fallback = last()
    running = [fallback]
    await pass(34_000)
    expect(made).toHaveLength(3)
    expect(last().removed).toBe(true)
    expect(fallback.removed).toBe(false)
    await pass(50_000)
    expect(made).toHaveLength(3)
    await pass(15_000)
    expect(made).toHaveLength(4)
  })

  it('keeps the sound on over a reconnect', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    expect(last().muted).toBe(true)
    running = [last()]
    await pass(300)
    keeper.setMuted(false)
    expect(last().muted).toBe(false)
    last().fail()
    await pass(700)
    expect(made).toHaveLength(2)
    expect(last().muted).toBe(false)
  })

  it('does not mistake a held picture for a stall', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    running = [last()]
    await pass(300)
    keeper.hold(true)
    running = []
    await pass(10_000)
    expect(made).toHaveLength(1)
  })

  /** A video that knows whether it plays, as happy-dom's does not. */
  const plays = (player: FakePlayer) => {
    let paused = false
    Object.defineProperty(player.video, 'paused', { get: () => paused })
    player.video.pause = () => void (paused = true)
    player.video.play = async () => {
      paused = false
      player.video.dispatchEvent(new Event('play'))
    }
    return { start: () => void player.video.play(), paused: () => paused }
  }

  it('keeps a held picture paused: over a new connection, and when the player starts it again', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    running = [last()]
    const first = plays(last())
    await pass(300)
    keeper.hold(true)
    expect(first.paused()).toBe(true)
    first.start()
    await pass(300)
    expect(first.paused()).toBe(true)
    last().fail()
    running = []
    await pass(700)
    expect(made).toHaveLength(2)
    const second = plays(last())
    stage.querySelector('.picture-box')?.append(last().video)
    second.start()
    expect(second.paused()).toBe(true)
    running = [last()]
    await pass(300)
    expect(second.paused()).toBe(true)
    keeper.hold(false)
    expect(second.paused()).toBe(false)
  })

  it('fetches nothing of a held picture that comes by LLHLS, and goes on afterwards', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    expect(last().transport).toBe('llhls')
    const hls = { levels: [] as object[], stopLoad: vi.fn(), startLoad: vi.fn() }
    last().listeners.get('hlsPrepared')?.(hls)
    keeper.hold(true)
    await pass(1000)
    // What has no list yet would never have one.
    expect(hls.stopLoad).not.toHaveBeenCalled()
    hls.levels = [{}]
    await pass(1000)
    expect(hls.stopLoad).toHaveBeenCalledOnce()
    expect(hls.startLoad).not.toHaveBeenCalled()
    keeper.hold(false)
    running = [last()]
    await pass(1000)
    expect(hls.stopLoad).toHaveBeenCalledOnce()
    expect(hls.startLoad).toHaveBeenCalledOnce()
    expect(view()).toMatchObject({ phase: 'playing', transport: 'llhls' })
  })

  it('keeps a held picture paused when WebRTC takes over from the fallback', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    running = [last()]
    await pass(31_000)
    keeper.hold(true)
    const probe = plays(last())
    running = [last()]
    await pass(400)
    expect(view()?.transport).toBe('webrtc')
    expect(probe.paused()).toBe(true)
  })

  /** A browser that lets this video play only under a condition. */
  const asks = (player: FakePlayer, allows: () => boolean, muted = player.video.muted) => {
    let paused = true
    const { video } = player
    Object.defineProperties(video, { paused: { get: () => paused, configurable: true }, srcObject: { value: {} } })
    video.muted = muted
    const play = vi.fn(async () => {
      if (!allows()) throw new DOMException('', 'NotAllowedError')
      paused = false
      running = [player]
    })
    video.play = play
    return { play, pause: () => ((paused = true), (running = [])) }
  }

  it('is played without sound where the browser refuses sound to a new video, and says so', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    running = [last()]
    await pass(300)
    keeper.setMuted(false)
    last().fail()
    running = []
    await pass(600)
    const { video } = last()
    expect(last().muted).toBe(false)
    asks(last(), () => video.muted, false)
    await pass(600)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'webrtc', muted: true })
    expect(last().muted).toBe(true)
    expect(made).toHaveLength(2)
  })

  it('waits for a tap where the browser plays nothing by itself, and for as long as that takes', async () => {
    let tapped = false
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    const { play } = asks(last(), () => tapped, true)
    await pass(60_000)
    expect(view()).toMatchObject({ phase: 'needs-tap', muted: true })
    expect(made).toHaveLength(1)
    expect(play).toHaveBeenCalledTimes(1)
    tapped = true
    keeper.tap()
    // Within the tap itself.
    expect(play).toHaveBeenCalledTimes(2)
    await pass(600)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'webrtc' })
  })

  it('goes on when somebody else paused it, and does not take that for a stall', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    let allows = true
    const video = asks(last(), () => allows, true)
    await pass(600)
    expect(view()?.phase).toBe('playing')
    video.pause()
    await pass(600)
    expect(video.play).toHaveBeenCalledTimes(2)
    expect(view()?.phase).toBe('playing')
    // A phone that has since begun to save power.
    allows = false
    video.pause()
    await pass(5000)
    expect(view()).toMatchObject({ phase: 'needs-tap', seen: true })
    expect(made).toHaveLength(1)
    allows = true
    keeper.tap()
    await pass(600)
    expect(view()?.phase).toBe('playing')
  })

  it('shows a guarded picture in the page alone', async () => {
    keeper.guard(true)
    keeper.setPlayback(PLAYBACK)
    await pass(300)
    expect(last().video.disablePictureInPicture).toBe(true)
    expect(last().video.disableRemotePlayback).toBe(true)
    keeper.guard(false)
    expect(last().video.disablePictureInPicture).toBe(false)
  })

  it.each<[string, string, () => Promise<void>]>([
    ['blocked', 'an offer came, and no connection', async () => {
      last().listeners.get('peerConnectionPrepared')?.({ connectionState: 'connecting' })
      await pass(2700)
    }],
    ['unanswered', 'no offer came', () => pass(2700)],
    ['dark', 'a connection stood and showed nothing', async () => {
      last().listeners.get('peerConnectionPrepared')?.({ connectionState: 'connected' })
      await pass(6200)
    }],
    ['refused', 'the server refused three times', async () => {
      for (const wait of [700, 1300, 50]) {
        last().fail()
        await pass(wait)
      }
    }],
  ])('knows that WebRTC was %s when %s', async (fallback, _seen, happens) => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    await happens()
    running = [last()]
    await pass(400)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'llhls', fallback })
  })

  it('begins again with LLHLS after a picture that came by it, and with WebRTC after one that did not', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    running = [last()]
    await pass(1000)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'llhls', fallback: 'unanswered' })
    // A hiccup: the picture is back without the price of WebRTC.
    last().fail()
    await pass(650)
    expect(made.map((one) => one.transport)).toEqual(['webrtc', 'llhls', 'llhls'])
    running = [last()]
    await pass(400)
    expect(view()).toMatchObject({ phase: 'playing', transport: 'llhls', fallback: 'unanswered' })
    last().fail()
    running = []
    await pass(650)
    last().fail()
    await pass(1200)
    expect(made.map((one) => one.transport)).toEqual(['webrtc', 'llhls', 'llhls', 'llhls', 'webrtc'])
  })

  it('begins again with WebRTC once the network was another', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    running = [last()]
    await pass(1000)
    running = []
    last().fail()
    window.dispatchEvent(new Event('online'))
    await pass(650)
    expect(last().transport).toBe('webrtc')
    expect(made).toHaveLength(3)
  })

  it('takes new addresses for the probe where they do not last, and lets it be while there are none', async () => {
    keeper.dispose()
    let renewed = 0
    let away = false
    const files: string[] = []
    keeper = new PlayerKeeper(
      stage,
      {
        load: async () => (_box, options) => {
          files.push(options.sources[0]?.file ?? '')
          const player = new FakePlayer(options)
          made.push(player)
          return player as never
        },
        frames: (video) => made.find((one) => one.video === video)?.frames ?? 0,
        renew: async () => {
          if (away) throw new Error('away')
          renewed += 1
          return { webrtc: `wss://renewed/${renewed}`, llhls: `https://renewed/${renewed}` }
        },
        random: () => 0.5,
        hidden: () => false,
      },
      (next) => views.push(next),
    )
    keeper.setPlayback(PLAYBACK)
    await pass(2700)
    const fallback = last()
    running = [fallback]
    const before = renewed
    away = true
    await pass(32_000)
    expect(last()).toBe(fallback)
    away = false
    await pass(61_000)
    expect(files.at(-1)).toBe(`wss://renewed/${before + 1}`)
    expect(fallback.removed).toBe(false)
  })

  it('says after 15 s without a picture that it is late and what was seen, and no more once it came', async () => {
    keeper.setPlayback(PLAYBACK)
    await pass(50)
    last().listeners.get('peerConnectionPrepared')?.({ connectionState: 'connecting' })
    await pass(14_000)
    expect(view()).toMatchObject({ phase: 'connecting', late: false })
    await pass(1500)
    expect(view()).toMatchObject({ late: true })
    expect(['blocked', 'unanswered']).toContain(view()?.saw)
    while (last().transport !== 'llhls') await pass(50)
    running = [last()]
    await pass(600)
    expect(view()).toMatchObject({ phase: 'playing', late: false })
    keeper.setPlayback(null)
    expect(view()).toMatchObject({ phase: 'off', late: false })
    await pass(20_000)
    expect(view()).toMatchObject({ phase: 'off', late: false })
  })

  it('is not late in a page that nobody sees', async () => {
    hidden = true
    keeper.setPlayback(PLAYBACK)
    await pass(40_000)
    expect(view()).toMatchObject({ phase: 'connecting', late: false })
    hidden = false
    await pass(16_000)
    expect(view()?.late).toBe(true)
  })

  it('forgets a player whose room ended while it was fetched', async () => {
    keeper.setPlayback(PLAYBACK)
    keeper.setPlayback(null)
    await pass(5000)
    expect(made).toHaveLength(0)
  })
})
