// Is it them or me: three columns, each green, yellow or red, and one cause
// with its fix. Pure: figures in, words out.
import type { StreamFacts } from '../../api/types'
import type { StreamState } from '../../shared/eventStream'
import type { Phase } from '../player/keeper'
import type { Sample } from '../player/stats'

export type Light = 'good' | 'warning' | 'error' | 'unknown'

export interface Verdict {
  light: Light
  /** One line. */
  line: string
  why?: string
  fix?: string
}

export interface Verdicts {
  encoder: Verdict
  server: Verdict
  you: Verdict
}

export interface Evidence {
  facts: StreamFacts | null
  events: StreamState
  phase: Phase
  sample: Sample | null
}

export function verdicts(evidence: Evidence): Verdicts {
  return { encoder: encoder(evidence.facts), server: server(evidence), you: you(evidence) }
}

/** The first that is not green, in the order the picture travels. */
export function firstTrouble(all: Verdicts): { where: keyof Verdicts; verdict: Verdict } | null {
  for (const where of ['encoder', 'server', 'you'] as const) {
    const verdict = all[where]
    if (verdict.light === 'warning' || verdict.light === 'error') return { where, verdict }
  }
  return null
}

function encoder(facts: StreamFacts | null): Verdict {
  if (facts === null || facts.live_since === null) return { light: 'unknown', line: 'No encoder is sending' }
  if (!facts.receiving) {
    return {
      light: 'error',
      line: 'Nothing arrives',
      why: 'The encoder is connected but has stopped sending.',
      fix: 'At the encoder: check its network and restart the stream.',
    }
  }
  const worst = worstHint(facts)
  if (worst) return worst
  const video = facts.video
  if (video === null) {
    return {
      light: 'error',
      line: 'No picture in the stream',
      why: 'The encoder sends sound but no video.',
      fix: 'At the encoder: choose a video source and H.264.',
    }
  }
  if (video.b_frames) {
    return {
      light: 'warning',
      line: 'Sends B-frames',
      why: 'Browsers show frames in the order they come: B-frames stutter.',
      fix: 'At the encoder: set B-frames to 0.',
    }
  }
  if (video.keyframe_seconds !== null && video.keyframe_seconds > 2.5) {
    return {
      light: 'warning',
      line: `Keyframes every ${video.keyframe_seconds.toFixed(1)} s`,
      why: 'People who join wait that long for a clean picture.',
      fix: 'At the encoder: set the keyframe interval to 1 s.',
    }
  }
  return { light: 'good', line: 'Sends steadily' }
}

function worstHint(facts: StreamFacts): Verdict | null {
  const hint = facts.hints.find((one) => one.level === 'error') ?? facts.hints.find((one) => one.level === 'warning')
  if (!hint) return null
  return { light: hint.level === 'error' ? 'error' : 'warning', line: hint.what, why: hint.why, fix: hint.fix }
}

function server({ facts, events, phase }: Evidence): Verdict {
  if (events !== 'open') {
    return {
      light: phase === 'playing' ? 'warning' : 'error',
      line: 'No news from the server',
      why: 'This page lost its line to the server. A running picture goes on.',
      fix: 'Nothing to do: the page reconnects by itself.',
    }
  }
  if (facts === null || facts.live_since === null) return { light: 'good', line: 'Ready, waiting' }
  return { light: 'good', line: 'Passes the picture on' }
}

function you({ facts, phase, sample }: Evidence): Verdict {
  if (phase === 'off') return { light: 'unknown', line: 'Nothing to play yet' }
  if (phase === 'reconnecting') {
    return {
      light: 'error',
      line: 'Reconnecting',
      why: 'The picture stopped arriving here.',
      fix: 'Nothing to do yet. If it lasts, check your network.',
    }
  }
  if (phase === 'connecting' || sample === null || sample.fps === null) return { light: 'unknown', line: 'Connecting' }

  const wanted = facts?.video?.fps ?? null
  const dropShare = sample.decoded > 0 ? sample.dropped / (sample.dropped + sample.decoded) : 0
  if (sample.loss !== null && sample.loss > 0.05) {
    return {
      light: 'error',
      line: `${percent(sample.loss)} of the packets are lost`,
      why: 'Your network drops what is sent.',
      fix: 'Use a cable instead of Wi-Fi, or pause other downloads.',
    }
  }
  if (wanted !== null && sample.fps < wanted * 0.6) {
    return {
      light: 'error',
      line: `Shows ${Math.round(sample.fps)} of ${Math.round(wanted)} frames`,
      why: dropShare > 0.1 ? 'This computer cannot decode as fast as frames arrive.' : 'Frames arrive too slowly.',
      fix: dropShare > 0.1 ? 'Close other tabs and programs.' : 'Use a cable instead of Wi-Fi.',
    }
  }
  if (wanted !== null && sample.fps < wanted * 0.9) {
    return {
      light: 'warning',
      line: `Shows ${Math.round(sample.fps)} of ${Math.round(wanted)} frames`,
      why: dropShare > 0.05 ? 'This computer cannot quite keep up.' : 'Frames arrive unevenly.',
      fix: dropShare > 0.05 ? 'Close other tabs and programs.' : 'A cable instead of Wi-Fi usually cures it.',
    }
  }
  if (dropShare > 0.05) {
    return {
      light: 'warning',
      line: `${percent(dropShare)} of the frames are skipped`,
      why: 'This computer cannot decode as fast as frames arrive.',
      fix: 'Close other tabs and programs.',
    }
  }
  if (sample.transport === 'llhls') {
    return {
      light: 'warning',
      line: 'Compatible mode, about 2 s behind',
      why: 'Your network blocks direct media (UDP).',
      fix: 'Nothing is broken. Another network, or no VPN, removes the delay.',
    }
  }
  if (sample.loss !== null && sample.loss > 0.01) {
    return {
      light: 'warning',
      line: `${percent(sample.loss)} of the packets are lost`,
      why: 'Your network drops a little of what is sent.',
      fix: 'A cable instead of Wi-Fi usually cures it.',
    }
  }
  if (sample.roundTripMs !== null && sample.roundTripMs > 300) {
    return {
      light: 'warning',
      line: `Far away: ${Math.round(sample.roundTripMs)} ms round trip`,
      why: 'The way to the server is long, or a VPN takes a detour.',
      fix: 'Switch a VPN off if you can.',
    }
  }
  if (sample.jitterMs !== null && sample.jitterMs > 50) {
    return {
      light: 'warning',
      line: `Unsteady: ${Math.round(sample.jitterMs)} ms jitter`,
      why: 'Packets arrive in bursts.',
      fix: 'A cable instead of Wi-Fi usually cures it.',
    }
  }
  return { light: 'good', line: 'Plays every frame' }
}

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
