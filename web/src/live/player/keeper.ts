// Owns OvenPlayer, which never recovers by itself (contracts/whole-stack.md,
// section 5): made when the room is live, made anew after every failure,
// removed when the room is not live. No React here, so that a test can drive
// it with a false player and a false clock.
import type { OvenPlayerInstance } from 'ovenplayer'
import type { Playback } from '../../api/types'
import type { CreatePlayer } from './load'

export type Transport = 'webrtc' | 'llhls'
export type Phase = 'off' | 'connecting' | 'playing' | 'reconnecting'

/**
 * What was seen when WebRTC was given up for LLHLS: the server refused it, or
 * did not answer, or answered but no connection came about (a network that
 * blocks UDP does that), or one stood and carried no picture.
 */
export type Fallback = 'refused' | 'unanswered' | 'blocked' | 'dark'

export interface PlayerView {
  phase: Phase
  transport: Transport | null
  /** Why the picture takes the compatible way, while it does. */
  fallback: Fallback | null
  muted: boolean
  /** A first picture was seen since the page opened. */
  seen: boolean
}

export interface KeeperDeps {
  load: (transport: Transport) => Promise<CreatePlayer>
  /** Frames decoded so far. */
  frames?: (video: HTMLVideoElement) => number
  /** New addresses for another try, where a ticket does not outlive one. */
  renew?: () => Promise<Playback>
  random?: () => number
  hidden?: () => boolean
}

// OvenPlayer's own deadline is (N+1) × connectionTimeout, 5 s at the least
// that works; ours is half of it, so that a blocked WebRTC shows LLHLS in 4 s.
const FIRST_FRAME_MS: Record<Transport, number> = { webrtc: 2500, llhls: 8000 }
// Where the connection stands, WebRTC is not blocked: a busy computer may take
// its time with the first frame.
const CONNECTED_FIRST_FRAME_MS = 6000
const STALL_MS = 3000
const TICK_MS = 250
const BACKOFF_FIRST_MS = 500
const BACKOFF_LAST_MS = 3000
const PROBE_FIRST_MS = 30_000
const PROBE_LAST_MS = 300_000
// A stream that has just begun refuses offers for a moment; only after so
// many refusals in a row is WebRTC itself under suspicion.
const QUICK_REFUSALS = 3

/** One OvenPlayer in its own box, and what is known of it. */
interface Attempt {
  transport: Transport
  box: HTMLElement
  player: OvenPlayerInstance
  peer: RTCPeerConnection | null
  startedAt: number
  frames: number
  frameAt: number
  playing: boolean
}

export class PlayerKeeper {
  private view: PlayerView = { phase: 'off', transport: null, fallback: null, muted: true, seen: false }
  private playback: Playback | null = null
  private current: Attempt | null = null
  private probe: Attempt | null = null
  private create: CreatePlayer | null = null
  private retry: ReturnType<typeof setTimeout> | undefined
  private probing: ReturnType<typeof setTimeout> | undefined
  private ticking: ReturnType<typeof setInterval> | undefined
  private failures = 0
  private tries = 0
  private refusals = 0
  private probeWait = PROBE_FIRST_MS
  private gaveUp: Fallback | null = null
  private held = false
  private guarded = false

  private readonly stage: HTMLElement
  private readonly deps: KeeperDeps
  private readonly onChange: (view: PlayerView) => void

  constructor(stage: HTMLElement, deps: KeeperDeps, onChange: (view: PlayerView) => void) {
    this.stage = stage
    this.deps = deps
    this.onChange = onChange
  }

  /** Addresses while the room is live, null while it is not. */
  setPlayback(playback: Playback | null): void {
    if (playback?.webrtc === this.playback?.webrtc && playback?.llhls === this.playback?.llhls) return
    this.playback = playback
    this.failures = 0
    this.refusals = 0
    this.tries = 0
    this.drop()
    if (playback === null) this.show({ phase: 'off', transport: null })
    else void this.start('webrtc')
  }

  setMuted(muted: boolean): void {
    this.current?.player.setMute(muted)
    if (!muted) this.current?.player.setVolume(100)
    this.show({ muted })
  }

  /** Holds playback (the watermark was tampered with) or lets it go on. */
  hold(held: boolean): void {
    if (held === this.held) return
    this.held = held
    for (const attempt of this.attempts) {
      if (held) this.keepWatch(attempt)
      else {
        attempt.frameAt = Date.now()
        attempt.player.getMediaElement()?.play().catch(() => {})
      }
    }
  }

  /** No way of the browser's to show the picture without what lies over it. */
  guard(guarded: boolean): void {
    this.guarded = guarded
    for (const attempt of this.attempts) this.keepWatch(attempt)
  }

  private get attempts(): Attempt[] {
    return [this.current, this.probe].filter((one) => one !== null)
  }

  /** Whatever the player did meanwhile: held is paused, guarded stays in the page. */
  private keepWatch({ player }: Attempt): void {
    const video = player.getMediaElement()
    if (!video) return
    if (this.held && !video.paused) video.pause()
    if (video.disablePictureInPicture !== this.guarded) {
      video.disablePictureInPicture = this.guarded
      video.disableRemotePlayback = this.guarded
    }
    if (this.guarded && document.pictureInPictureElement === video) document.exitPictureInPicture().catch(() => {})
  }

  get video(): HTMLVideoElement | null {
    return this.current?.player.getMediaElement() ?? null
  }

  get peer(): RTCPeerConnection | null {
    return this.current?.peer ?? null
  }

  dispose(): void {
    this.playback = null
    this.drop()
  }

  private show(change: Partial<PlayerView>): void {
    this.view = { ...this.view, ...change }
    this.onChange(this.view)
  }

  private async start(transport: Transport): Promise<void> {
    let playback = this.playback
    if (playback === null) return
    this.show({ phase: this.view.seen ? 'reconnecting' : 'connecting', transport: null })
    try {
      if (this.deps.renew && this.tries++ > 0) {
        const renewed = await this.deps.renew()
        if (this.playback !== playback) return
        this.playback = playback = renewed
      }
      this.create = await this.deps.load(transport)
    } catch {
      if (this.playback === playback) this.again()
      return
    }
    // The room may have ended, or moved, while the player was fetched.
    if (this.playback !== playback || this.current !== null) return
    this.current = this.attempt(transport, playback, this.view.muted)
    this.ticking ??= setInterval(() => this.tick(), TICK_MS)
  }

  private attempt(transport: Transport, playback: Playback, muted: boolean): Attempt {
    const file = playback[transport]
    const box = document.createElement('div')
    box.className = 'picture-box'
    const mount = box.appendChild(document.createElement('div'))
    this.stage.append(box)
    const player = (this.create as CreatePlayer)(mount, {
      sources: [{ type: transport, file }],
      autoStart: true,
      autoFallback: false,
      mute: muted,
      controls: false,
      showBigPlayButton: false,
      webrtcConfig: { timeoutMaxRetry: 1, connectionTimeout: FIRST_FRAME_MS.webrtc },
      hlsConfig: {
        lowLatencyMode: true,
        liveSyncDuration: 1,
        liveMaxLatencyDuration: 4,
        maxLiveSyncPlaybackRate: 1.5,
        backBufferLength: 10,
        // A worker would need blob: scripts in the page's policy.
        enableWorker: false,
      },
    })
    const now = Date.now()
    // Media events do not bubble, but they can be caught on their way down.
    box.addEventListener('play', () => this.keepWatch(made), true)
    const made: Attempt = { transport, box, player, peer: null, startedAt: now, frames: 0, frameAt: now, playing: false }
    player.on('error', () => this.failed(made, 'error'))
    player.on('peerConnectionPrepared', (peer) => {
      made.peer = peer
    })
    return made
  }

  private tick(): void {
    if (this.current) this.watch(this.current)
    if (this.probe) this.watch(this.probe)
  }

  /** First frame, then no silence of more than 3 s. */
  private watch(attempt: Attempt): void {
    this.keepWatch(attempt)
    const now = Date.now()
    const video = attempt.player.getMediaElement()
    const frames = video ? (this.deps.frames ?? decodedFrames)(video) : 0
    if (frames !== attempt.frames) {
      attempt.frames = frames
      attempt.frameAt = now
      if (!attempt.playing && frames > 0) this.playing(attempt)
      return
    }
    // Browsers stop decoding what nobody sees; that is not a stall.
    if (this.held || (this.deps.hidden ?? pageHidden)()) {
      attempt.frameAt = now
      if (!attempt.playing) attempt.startedAt = now
      return
    }
    if (!attempt.playing && now - attempt.startedAt >= patience(attempt)) this.failed(attempt, 'late')
    else if (attempt.playing && now - attempt.frameAt >= STALL_MS) this.failed(attempt, 'stalled')
  }

  private playing(attempt: Attempt): void {
    attempt.playing = true
    if (attempt === this.probe) {
      // WebRTC works again: it takes over without a black frame.
      this.probe = null
      const old = this.current
      this.current = attempt
      attempt.player.setMute(this.view.muted)
      if (old) discard(old)
    }
    this.keepWatch(attempt)
    attempt.box.classList.add('is-playing')
    this.failures = 0
    this.refusals = 0
    if (attempt.transport === 'webrtc') this.probeWait = PROBE_FIRST_MS
    else this.scheduleProbe()
    const fallback = attempt.transport === 'llhls' ? this.gaveUp : null
    this.show({ phase: 'playing', transport: attempt.transport, fallback, seen: true })
  }

  private failed(attempt: Attempt, why: 'error' | 'late' | 'stalled'): void {
    if (attempt === this.probe) {
      this.probe = null
      discard(attempt)
      this.scheduleProbe()
      return
    }
    if (attempt !== this.current) return
    this.current = null
    this.cancelProbe()
    discard(attempt)
    if (attempt.transport === 'webrtc' && !attempt.playing) {
      if (why === 'error') this.refusals += 1
      if (why === 'late' || this.refusals >= QUICK_REFUSALS) {
        this.refusals = 0
        this.gaveUp = why === 'error' ? 'refused' : silence(attempt.peer)
        void this.start('llhls')
        return
      }
    }
    this.again()
  }

  private again(): void {
    this.show({ phase: this.view.seen ? 'reconnecting' : 'connecting', transport: null })
    const step = Math.min(BACKOFF_LAST_MS, BACKOFF_FIRST_MS * 2 ** this.failures++)
    const wait = step * (0.8 + 0.4 * (this.deps.random ?? Math.random)())
    clearTimeout(this.retry)
    this.retry = setTimeout(() => void this.start('webrtc'), Math.min(BACKOFF_LAST_MS, wait))
  }

  private scheduleProbe(): void {
    clearTimeout(this.probing)
    this.probing = setTimeout(() => {
      if (this.playback === null || this.create === null || this.current?.transport !== 'llhls') return
      this.probe = this.attempt('webrtc', this.playback, true)
    }, this.probeWait)
    this.probeWait = Math.min(PROBE_LAST_MS, this.probeWait * 2)
  }

  private cancelProbe(): void {
    clearTimeout(this.probing)
    if (this.probe) discard(this.probe)
    this.probe = null
  }

  private drop(): void {
    clearTimeout(this.retry)
    clearInterval(this.ticking)
    this.ticking = undefined
    this.cancelProbe()
    const old = this.current
    this.current = null
    if (old) discard(old)
  }
}

function discard(attempt: Attempt): void {
  try {
    attempt.player.remove()
  } catch {
    // A player that failed half-made may not be removable; its box is.
  }
  attempt.box.remove()
}

const silence = (peer: RTCPeerConnection | null): Fallback => (peer === null ? 'unanswered' : peer.connectionState === 'connected' ? 'dark' : 'blocked')
const patience = ({ transport, peer }: Attempt) => (transport === 'webrtc' && peer?.connectionState === 'connected' ? CONNECTED_FIRST_FRAME_MS : FIRST_FRAME_MS[transport])
const decodedFrames = (video: HTMLVideoElement) => video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0
const pageHidden = () => document.hidden
