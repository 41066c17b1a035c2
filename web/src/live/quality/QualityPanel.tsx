import { useEffect, useRef, useState } from 'react'
import type { StreamFacts, Visit } from '../../api/types'
import type { StreamState } from '../../shared/eventStream'
import { useNow } from '../../shared/useNow'
import { bitrate, codecName, count, duration, fps } from '../../shared/words'
import { dot } from '../parts.css'
import { type Sample, StatsReader } from '../player/stats'
import type { Player } from '../player/usePlayer'
import { tone } from '../theme.css'
import * as css from './quality.css'
import { firstTrouble, type Light, type Verdict, verdicts } from './verdict'

interface Props {
  visit: Visit
  facts: StreamFacts | null
  events: StreamState
  player: Player
  clockOffset: number
}

const EVERY_MS = 1000
const COLOUR: Record<Light, string> = { good: tone.good, warning: tone.warning, error: tone.live, unknown: tone.line }
const WHERE = { encoder: 'Encoder', server: 'Server', you: 'You' }

/** Encoder → Server → You: is it them or me? */
export default function QualityPanel({ visit, facts, events, player, clockOffset }: Props) {
  const sample = useSample(player)
  const now = useNow(1000, clockOffset)
  const all = verdicts({ ...player, facts, events, picture: visit.picture, sample })
  const trouble = firstTrouble(all)
  // What was heard last is no figure of now.
  const heard = events === 'open' ? facts : null
  return (
    <aside className={css.quality} aria-label="Picture quality" tabIndex={0}>
      <div className={css.columns}>
        <Head title="Encoder" verdict={all.encoder} />
        <Head title="Server" verdict={all.server} />
        <Head title="You" verdict={all.you} />
      </div>
      {trouble ? (
        <p className={css.advice} style={{ borderColor: COLOUR[trouble.verdict.light] }}>
          {WHERE[trouble.where]}: {trouble.verdict.why} {trouble.verdict.fix}
        </p>
      ) : (
        <p className={css.advice} style={{ borderColor: COLOUR[all.you.light] }}>
          {all.you.light === 'good' ? 'All is well from the encoder to your screen.' : 'Nothing is wrong as far as this page can tell.'}
        </p>
      )}
      <div className={css.columns}>
        <Figures of={encoderFigures(heard)} />
        <Figures of={serverFigures(heard, now)} />
        <Figures of={yourFigures(sample, heard)} />
      </div>
      <p className={css.note}>
        Browsers show 8-bit 4:2:0, whatever the encoder was fed. Judge movement, framing and intent here, the last bit of colour on a calibrated display.
      </p>
    </aside>
  )
}

type Lines = [string, string][]

function Head({ title, verdict }: { title: string; verdict: Verdict }) {
  return (
    <div>
      <h2 className={css.head}>
        <span className={dot[verdict.light]} role="img" aria-label={LIGHT_NAME[verdict.light]} />
        {title}
      </h2>
      <p className={css.line}>{verdict.line}</p>
    </div>
  )
}

function Figures({ of }: { of: Lines }) {
  return (
    <dl className={css.figures}>
      {of.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt className={css.name}>{name}</dt>
          <dd className={css.value} title={value}>
            {value}
          </dd>
        </div>
      ))}
    </dl>
  )
}

const LIGHT_NAME: Record<Light, string> = { good: 'good', warning: 'could be better', error: 'bad', unknown: 'not known' }
const NONE = '–'

export function encoderFigures(facts: StreamFacts | null): Lines {
  const video = facts?.video
  const audio = facts?.audio
  return [
    ['Picture', video ? `${video.width} × ${video.height}` : NONE],
    ['Frames', video ? fps(video.fps) : NONE],
    ['Codec', video ? codecName(video.codec) : NONE],
    ['Bitrate', video ? bitrate(video.bitrate) : NONE],
    ['Keyframes', video?.keyframe_seconds ? `each ${video.keyframe_seconds.toFixed(1)} s` : NONE],
    ['B-frames', video ? (video.b_frames ? 'yes' : 'none') : NONE],
    ['Sound', audio ? `${codecName(audio.codec)} ${Math.round(audio.sample_rate / 1000)} kHz` : NONE],
    ['Sends by', facts ? facts.protocol.toUpperCase() : NONE],
  ]
}

export function serverFigures(facts: StreamFacts | null, now: number): Lines {
  const server = facts?.server
  return [
    ['Live for', facts?.live_since ? duration(now - Date.parse(facts.live_since)) : NONE],
    ['Receives', facts ? (facts.receiving ? (server ? bitrate(server.bitrate_in) : 'yes') : 'nothing') : NONE],
    ['Sends', server ? bitrate(server.bitrate_out) : NONE],
    ['By WebRTC', server ? count(server.webrtc, 'connection', 'connections') : NONE],
    ['By LLHLS', server ? count(server.llhls, 'connection', 'connections') : NONE],
    ['Watching', facts ? count(facts.viewers, 'person', 'people') : NONE],
    ['In the call', facts ? count(facts.callers, 'person', 'people') : NONE],
  ]
}

export function yourFigures(sample: Sample | null, facts: StreamFacts | null): Lines {
  const ms = (value: number | null | undefined) => (value == null ? NONE : `${Math.round(value)} ms`)
  const frames = (value: number | undefined) => (value === undefined ? NONE : count(value, 'frame', 'frames'))
  // LLHLS passes on what was sent, and browsers do not say what it was.
  const codec = sample?.codec ?? (sample?.transport === 'llhls' ? facts?.video?.codec : null)
  return [
    ['Picture', sample && sample.width > 0 ? `${sample.width} × ${sample.height}` : NONE],
    ['Frames', sample?.fps != null ? `${Math.round(sample.fps)} fps` : NONE],
    ['Codec', codec ? codecName(codec) : NONE],
    ['Bitrate', sample?.bitrate != null ? bitrate(sample.bitrate) : NONE],
    ['By', sample ? (sample.transport === 'webrtc' ? 'WebRTC' : 'LLHLS') : NONE],
    ['Loss', sample?.loss != null ? `${(sample.loss * 100).toFixed(1)} %` : NONE],
    ['Jitter', ms(sample?.jitterMs)],
    ['Round trip', ms(sample?.roundTripMs)],
    ['Delay', sample?.delayMs != null && sample.delayMs >= 1000 ? `${(sample.delayMs / 1000).toFixed(1)} s` : ms(sample?.delayMs)],
    ['Decoded in all', frames(sample?.decodedInAll)],
    ['Dropped in all', frames(sample?.droppedInAll)],
  ]
}

function useSample(player: Player): Sample | null {
  const [sample, setSample] = useState<Sample | null>(null)
  const latest = useRef(player)
  latest.current = player
  const transport = player.phase === 'playing' ? player.transport : null
  useEffect(() => {
    setSample(null)
    if (transport === null) return
    // A new connection counts from zero: a new reader too.
    const reader = new StatsReader()
    let gone = false
    const look = async () => {
      const video = latest.current.video()
      if (!video) return
      const next = await reader.read(transport, video, latest.current.peer()).catch(() => null)
      if (!gone && next) setSample(next)
    }
    void look()
    const timer = setInterval(() => void look(), EVERY_MS)
    return () => {
      gone = true
      clearInterval(timer)
    }
  }, [transport])
  return sample
}
