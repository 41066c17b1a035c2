// Owns OvenPlayer, which never recovers by itself (contracts/whole-stack.md,
// section 5): made when the room is live, made anew after every failure,
// removed when the room is not live. No React here, so that a test can drive
// it with a false player and a false clock.
import type { OvenHls, OvenPlayerInstance } from 'ovenplayer'
import type { Playback } from '../../api/types'
import { pulse } from './frames'
import type { CreatePlayer } from './load'

export type Transport = 'webrtc' | 'llhls'
/** `needs-tap`: the browser plays nothing, not even silently, before a person asks for it. */
export type Phase = 'off' | 'connecting' | 'playing' | 'reconnecting' | 'needs-tap'

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
  /** No picture for so long that a person should hear what is known. */
  late: boolean
  /** How WebRTC was last given up. */
  saw: Fallback | null
}

export const OFF: PlayerView = { phase: 'off', transport: null, fallback: null, muted: true, seen: false, late: false, saw: null }

export interface KeeperDeps {
  load: (transport: Transport) => Promise<CreatePlayer>
  /** Changes as long as frames come. */
  frames?: (video: HTMLVideoElement, peer: RTCPeerConnection | null) => number
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
const LATE_MS = 15_000
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
  hls: OvenHls | null
  /** It fetches nothing, since the picture is held. */
  still: boolean
  startedAt: number
  frames: number
  frameAt: number
  playing: boolean
  /** The browser is being asked to play, and has refused to. */
  asking: boolean
  refused: boolean
}

export class PlayerKeeper {
  private view = OFF
  private playback: Playback | null = null
  private current: Attempt | null = null
  private probe: Attempt | null = null
  private create: CreatePlayer | null = null
  private retry: ReturnType<typeof setTimeout> | undefined
  private probing: ReturnType<typeof setTimeout> | undefined
  private waiting: ReturnType<typeof setTimeout> | undefined
  private ticking: ReturnType<typeof setInterval> | undefined
  private failures = 0
  private tries = 0
  private refusals = 0
  private probeWait = PROBE_FIRST_MS
  private gaveUp: Fallback | null = null
  /** How the next try begins: by the way the picture last came. */
  private first: Transport = 'webrtc'
  private held = false
  private guarded = false

  private readonly stage: HTMLElement
  private readonly deps: KeeperDeps
  private readonly onChange: (view: PlayerView) => void

  constructor(stage: HTMLElement, deps: KeeperDeps, onChange: (view: PlayerView) => void) {
    this.stage = stage
    this.deps = deps
    this.onChange = onChange
    window.addEventListener('online', this.onNetwork)
  }

  /** Another network may let through what the last one did not. */
  private readonly onNetwork = () => {
    this.first = 'webrtc'
    this.probeWait = PROBE_FIRST_MS
  }

  /** Addresses while the room is live, null while it is not. */
  setPlayback(playback: Playback | null): void {
    if (playback?.webrtc === this.playback?.webrtc && playback?.llhls === this.playback?.llhls) return
    this.playback = playback
    this.failures = 0
    this.refusals = 0
    this.tries = 0
    this.first = 'webrtc'
    this.drop()
    if (playback === null) this.show({ phase: 'off', transport: null })
    else void this.start('webrtc')
  }

  setMuted(muted: boolean): void {
    this.current?.player.setMute(muted)
    if (!muted) this.current?.player.setVolume(100)
    this.show({ muted })
  }

  /** Plays what the browser would not play by itself; to be called within the tap. */
  tap(): void {
    const attempt = this.current
    if (!attempt?.refused) return
    attempt.refused = false
    attempt.startedAt = Date.now()
    this.show({ phase: this.view.seen ? 'reconnecting' : 'connecting' })
    this.keepPlaying(attempt)
  }

  /** Holds playback (the watermark was tampered with) or lets it go on. */
  hold(held: boolean): void {
    if (held === this.held) return
    this.held = held
    for (const attempt of this.attempts) {
      if (held) this.keepWatch(attempt)
      else {
        this.keepStill(attempt)
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
  private keepWatch(attempt: Attempt): void {
    this.keepStill(attempt)
    const video = attempt.player.getMediaElement()
    if (!video) return
    if (this.held && !video.paused) video.pause()
    if (video.disablePictureInPicture !== this.guarded) {
      video.disablePictureInPicture = this.guarded
      video.disableRemotePlayback = this.guarded
    }
    if (this.guarded && document.pictureInPictureElement === video) document.exitPictureInPicture().catch(() => {})
  }

  /**
   * A paused video shows the frame it was paused at, but hls.js takes it along
   * as the stream goes on: with nothing fetched it stays. One whose list is not
   * there yet has nothing to show, and would never have it.
   */
  private keepStill(attempt: Attempt): void {
    const { hls, still } = attempt
    if (hls === null || hls.levels.length === 0 || still === this.held) return
    attempt.still = this.held
    if (this.held) hls.stopLoad()
    else hls.startLoad()
  }

  /**
   * Starts again what somebody else paused: a headset's key, a phone that left
   * full screen. OvenPlayer asks once, and does not hear a refusal.
   */
  private keepPlaying(attempt: Attempt): void {
    const video = attempt.player.getMediaElement()
    if (!video || !isPaused(video) || attempt.asking || attempt.refused) return
    attempt.asking = true
    video.play().then(
      () => {
        attempt.asking = false
      },
      (error: unknown) => {
        attempt.asking = false
        if (error instanceof DOMException && error.name === 'NotAllowedError') this.refused(attempt, video)
      },
    )
  }

  /** Browsers allow sound by element, and a new one may have to begin without. */
  private refused(attempt: Attempt, video: HTMLVideoElement): void {
    if (!this.attempts.includes(attempt)) return
    if (!video.muted) {
      attempt.player.setMute(true)
      video.muted = true
      if (attempt === this.current) this.show({ muted: true })
      this.keepPlaying(attempt)
      return
    }
    attempt.refused = true
    attempt.playing = false
    if (attempt === this.current) this.show({ phase: 'needs-tap', transport: null })
  }

  get video(): HTMLVideoElement | null {
    return this.current?.player.getMediaElement() ?? null
  }

  get peer(): RTCPeerConnection | null {
    return this.current?.peer ?? null
  }

  dispose(): void {
    window.removeEventListener('online', this.onNetwork)
    this.playback = null
    this.drop()
  }

  private show(change: Partial<PlayerView>): void {
    this.view = { ...this.view, saw: this.gaveUp, ...change }
    const waits = this.view.phase === 'connecting' || this.view.phase === 'reconnecting'
    if (waits) this.waiting ??= setTimeout(() => this.waited(), LATE_MS)
    else this.waitsNoMore()
    this.onChange(this.view)
  }

  private waited(): void {
    this.waiting = undefined
    // Nothing is tried in a page that nobody sees.
    this.show((this.deps.hidden ?? pageHidden)() ? {} : { late: true })
  }

  private waitsNoMore(): void {
    clearTimeout(this.waiting)
    this.waiting = undefined
    if (this.view.late) this.view = { ...this.view, late: false }
  }

  private async start(transport: Transport): Promise<void> {
    const { playback } = this
    if (playback === null) return
    this.show({ phase: this.view.seen ? 'reconnecting' : 'connecting', transport: null })
    try {
      const addresses = await this.fresh(playback)
      this.create = await this.deps.load(transport)
      // The room may have ended, or moved, while the player was fetched.
      if (addresses === null || this.playback !== playback || this.current !== null) return
      this.current = this.attempt(transport, addresses, this.view.muted)
      this.ticking ??= setInterval(() => this.tick(), TICK_MS)
    } catch {
      if (this.playback === playback) this.again()
    }
  }

  /** Addresses that are good for another try; null where they were given up meanwhile. */
  private async fresh(playback: Playback): Promise<Playback | null> {
    if (!this.deps.renew || this.tries++ === 0) return playback
    const renewed = await this.deps.renew()
    return this.playback === playback ? renewed : null
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
    const made: Attempt = { transport, box, player, peer: null, hls: null, still: false, startedAt: now, frames: 0, frameAt: now, playing: false, asking: false, refused: false }
    player.on('error', () => this.failed(made, 'error'))
    player.on('peerConnectionPrepared', (peer) => {
      made.peer = peer
    })
    player.on('hlsPrepared', (hls) => {
      made.hls = hls
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
    const frames = video ? (this.deps.frames ?? pulse)(video, attempt.peer) : 0
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
    this.keepPlaying(attempt)
    // It is a person's turn; or it goes on in a moment.
    if (attempt === this.current && attempt.refused) attempt.startedAt = now
    if (attempt.playing && video && isPaused(video)) attempt.frameAt = now
    if (!attempt.playing && now - attempt.startedAt >= patience(attempt)) this.failed(attempt, 'late')
    else if (attempt.playing && now - attempt.frameAt >= STALL_MS) this.failed(attempt, 'stalled')
  }

  private playing(attempt: Attempt): void {
    attempt.playing = true
    attempt.refused = false
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
    this.first = attempt.transport
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
    // A hiccup of LLHLS does not pay for WebRTC again: the probe asks for that.
    if (!attempt.playing) this.first = 'webrtc'
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
    this.retry = setTimeout(() => void this.start(this.first), Math.min(BACKOFF_LAST_MS, wait))
  }

  private scheduleProbe(): void {
    clearTimeout(this.probing)
    this.probing = setTimeout(() => void this.startProbe(), this.probeWait)
    this.probeWait = Math.min(PROBE_LAST_MS, this.probeWait * 2)
  }

  private async startProbe(): Promise<void> {
    const { current, playback } = this
    if (playback === null || this.create === null || current?.transport !== 'llhls') return
    try {
      const addresses = await this.fresh(playback)
      if (addresses !== null && this.current === current && this.probe === null) this.probe = this.attempt('webrtc', addresses, true)
    } catch {
      if (this.current === current) this.scheduleProbe()
    }
  }

  private cancelProbe(): void {
    clearTimeout(this.probing)
    if (this.probe) discard(this.probe)
    this.probe = null
  }

  private drop(): void {
    clearTimeout(this.retry)
    this.waitsNoMore()
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
/** With something to play: one that waits for its stream is not held up by anybody. */
const isPaused = (video: HTMLVideoElement) => video.paused && !video.ended && (video.srcObject != null || video.currentSrc !== '')
const pageHidden = () => document.hidden
