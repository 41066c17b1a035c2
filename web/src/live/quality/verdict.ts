// Is it them or me: three columns, each green, yellow or red, and one cause
// with its fix. Pure: figures in, words out.
import type { StreamFacts, Visit } from '../../api/types'
import type { StreamState } from '../../shared/eventStream'
import { noPicture } from '../notices'
import type { Fallback, Phase } from '../player/keeper'
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
  /** What the server says of the way of the picture. */
  picture: Visit['picture']
  phase: Phase
  /** Waited for long, and what was seen of the last try. */
  late: boolean
  saw: Fallback | null
  /** Why the picture takes the compatible way, while it does. */
  fallback: Fallback | null
  sample: Sample | null
}

export function verdicts(evidence: Evidence): Verdicts {
  return { encoder: encoder(evidence), server: server(evidence), you: you(evidence) }
}

/** The first that is not green, in the order the picture travels. */
export function firstTrouble(all: Verdicts): { where: keyof Verdicts; verdict: Verdict } | null {
  for (const where of ['encoder', 'server', 'you'] as const) {
    const verdict = all[where]
    if (verdict.light === 'warning' || verdict.light === 'error') return { where, verdict }
  }
  return null
}

function encoder({ facts, events }: Evidence): Verdict {
  // What was heard last may be long over.
  if (events !== 'open') return { light: 'unknown', line: 'Not known just now' }
  if (facts === null || !facts.live_since) return { light: 'unknown', line: 'No encoder is sending' }
  if (!facts.receiving) {
    return {
      light: 'error',
      line: 'Nothing arrives',
      why: 'The encoder is connected but has stopped sending.',
      fix: 'At the encoder: check its network and restart the stream.',
    }
  }
  return worstHint(facts) ?? { light: 'good', line: 'Sends steadily' }
}

/** What the server found at the encoder; it looks at all there is to find. */
function worstHint(facts: StreamFacts): Verdict | null {
  const hint = facts.hints.find((one) => one.level === 'error') ?? facts.hints.find((one) => one.level === 'warning')
  if (!hint) return null
  return { light: hint.level === 'error' ? 'error' : 'warning', line: hint.what, why: hint.why, fix: hint.fix }
}

function server({ facts, events, picture, phase }: Evidence): Verdict {
  const shows = phase === 'playing'
  if (events !== 'open') {
    return {
      light: shows ? 'warning' : 'error',
      line: 'No news from the server',
      why: 'This page lost its line to the server. A running picture goes on.',
      fix: 'Nothing to do: the page reconnects by itself.',
    }
  }
  if (!picture.available) {
    return {
      light: shows ? 'warning' : 'error',
      line: 'The media server is not well',
      why: picture.why ?? 'It does not answer.',
      fix: 'Nothing to do here: it is put right by itself. If it lasts, tell your host.',
    }
  }
  if (facts === null || !facts.live_since) return { light: 'good', line: 'Ready, waiting' }
  const { server: figures, receiving } = facts
  // Somebody is connected and gets nothing; without a connection there is nothing to send.
  if (figures && receiving && figures.bitrate_in > 0 && figures.bitrate_out === 0 && figures.webrtc + figures.llhls > 0 && !shows) {
    return {
      light: 'error',
      line: 'Passes nothing on',
      why: 'The picture arrives at the server and does not leave it.',
      fix: 'If it lasts, tell your host: the encoder should start its stream again.',
    }
  }
  return { light: 'good', line: 'Passes the picture on' }
}

function you({ facts, picture, phase, late, saw, fallback, sample }: Evidence): Verdict {
  if (phase !== 'playing' && picture.refused) return REFUSED[picture.refused]
  if (phase === 'off') return { light: 'unknown', line: 'Nothing to play yet' }
  if ((phase === 'connecting' || phase === 'reconnecting') && late) return { light: 'error', line: 'No picture comes', ...noPicture(saw) }
  if (phase === 'reconnecting') {
    return {
      light: 'error',
      line: 'Reconnecting',
      why: 'The picture stopped arriving here.',
      fix: 'Nothing to do yet. If it lasts, check your network.',
    }
  }
  if (phase === 'needs-tap') {
    return {
      light: 'warning',
      line: 'Waits for you',
      why: 'This browser plays nothing before a person asks for it.',
      fix: 'Press “Show the picture”.',
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
  if (wanted !== null && sample.fps < wanted * 0.9) {
    return {
      light: sample.fps < wanted * 0.6 ? 'error' : 'warning',
      line: `Shows ${Math.round(sample.fps)} of ${Math.round(wanted)} frames`,
      ...slowness(sample, wanted, dropShare),
    }
  }
  if (dropShare > 0.05) {
    return {
      light: 'warning',
      line: `${percent(dropShare)} of the frames are dropped`,
      ...BUSY,
    }
  }
  if (sample.transport === 'llhls') {
    return {
      light: 'warning',
      line: 'Compatible mode, about 2 s behind',
      ...(fallback === null ? NOT_DIRECT : WHY_NOT_DIRECT[fallback]),
    }
  }
  if (sample.loss !== null && sample.loss > LOSSY) {
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
  if (sample.jitterMs !== null && sample.jitterMs > UNSTEADY_MS) {
    return {
      light: 'warning',
      line: `Unsteady: ${Math.round(sample.jitterMs)} ms jitter`,
      why: 'Packets arrive in bursts.',
      fix: 'A cable instead of Wi-Fi usually cures it.',
    }
  }
  return { light: 'good', line: 'Plays every frame' }
}

const REFUSED: Record<NonNullable<Visit['picture']['refused']>, Verdict> = {
  full: {
    light: 'error',
    line: 'No seat is free',
    why: 'As many people watch as may in this room.',
    fix: 'The picture comes by itself when somebody leaves.',
  },
  network: {
    light: 'error',
    line: 'Not from this network',
    why: 'This room may be watched from certain networks only, and yours is none of them.',
    fix: 'Use the network you were told of, without a VPN of your own, or ask your host to add yours.',
  },
}

/** From here on loss and jitter can be seen in the picture. */
const LOSSY = 0.01
const UNSTEADY_MS = 50

type Cause = Pick<Verdict, 'why' | 'fix'>

const BUSY: Cause = {
  why: 'This computer cannot decode as fast as frames arrive.',
  fix: 'Close other tabs and programs.',
}

/** Why fewer frames are shown than are sent. The network is blamed only for what it was seen to do. */
function slowness(sample: Sample, wanted: number, dropShare: number): Cause {
  if (dropShare > 0.05 || (sample.arrived !== null && sample.arrived >= wanted * 0.9)) return BUSY
  if ((sample.loss ?? 0) > LOSSY || (sample.jitterMs ?? 0) > UNSTEADY_MS) {
    return { why: 'Frames arrive late or not at all: the network between you and the server is unsteady.', fix: 'A cable instead of Wi-Fi usually cures it.' }
  }
  return { why: 'Fewer frames arrive than are sent, and the network loses none of them.', fix: 'Ask whether the others see it too. If not, close other tabs and programs.' }
}

const NOT_DIRECT: Cause = { why: 'Direct media is not in use.', fix: 'Nothing to do: the page tries it again by itself.' }

const WHY_NOT_DIRECT: Record<Fallback, Cause> = {
  blocked: {
    why: 'The server answered, but no direct connection came about. Most often a network, a VPN or a firewall blocks UDP.',
    fix: 'Nothing is broken. Another network, or no VPN, often removes the delay.',
  },
  refused: { why: 'The server refused direct media.', fix: 'Nothing to do here: the page tries it again by itself.' },
  unanswered: { why: 'The server did not answer in time for direct media.', fix: 'Nothing to do: the page tries it again by itself.' },
  dark: { why: 'A direct connection stood, but brought no picture in time.', fix: 'Nothing to do: the page tries it again by itself.' },
}

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
