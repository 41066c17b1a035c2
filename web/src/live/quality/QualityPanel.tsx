import { useEffect, useRef, useState } from 'react'
import type { StreamFacts } from '../../api/types'
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
  facts: StreamFacts | null
  events: StreamState
  player: Player
  onClose: () => void
}

const EVERY_MS = 1000
const COLOUR: Record<Light, string> = { good: tone.good, warning: tone.warning, error: tone.live, unknown: tone.line }
const WHERE = { encoder: 'Encoder', server: 'Server', you: 'You' }

/** Encoder → Server → You: is it them or me? */
export default function QualityPanel({ facts, events, player }: Props) {
  const sample = useSample(player)
  const now = useNow()
  const all = verdicts({ facts, events, phase: player.phase, sample })
  const trouble = firstTrouble(all)
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
        <Figures of={encoderFigures(facts)} />
        <Figures of={serverFigures(facts, now)} />
        <Figures of={yourFigures(sample)} />
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

function encoderFigures(facts: StreamFacts | null): Lines {
  const video = facts?.video
  const audio = facts?.audio
  return [
    ['Picture', video ? `${video.width} × ${video.height}` : NONE],
    ['Frames', video ? fps(video.fps) : NONE],
    ['Codec', video ? codecName(video.codec) : NONE],
    ['Bitrate', video ? bitrate(video.bitrate) : NONE],
    ['Keyframes', video?.keyframe_seconds ? `${video.keyframe_seconds.toFixed(1)} s` : NONE],
    ['Sound', audio ? `${codecName(audio.codec)} ${Math.round(audio.sample_rate / 1000)} kHz` : NONE],
  ]
}

function serverFigures(facts: StreamFacts | null, now: number): Lines {
  return [
    ['Receives', facts?.receiving ? (facts.protocol ?? 'yes').toUpperCase() : NONE],
    ['Live for', facts?.live_since ? duration(now - Date.parse(facts.live_since)) : NONE],
    ['Watching', facts ? count(facts.viewers, 'person', 'people') : NONE],
    ['In the call', facts ? count(facts.callers, 'person', 'people') : NONE],
  ]
}

function yourFigures(sample: Sample | null): Lines {
  const ms = (value: number | null) => (value === null ? NONE : `${Math.round(value)} ms`)
  return [
    ['Picture', sample && sample.width > 0 ? `${sample.width} × ${sample.height}` : NONE],
    ['Frames', sample?.fps != null ? `${Math.round(sample.fps)} fps` : NONE],
    ['Skipped', sample ? count(sample.dropped, 'frame', 'frames') : NONE],
    ['By', sample ? (sample.transport === 'webrtc' ? 'WebRTC' : 'LLHLS') : NONE],
    ['Bitrate', sample?.bitrate != null ? bitrate(sample.bitrate) : NONE],
    ['Loss', sample?.loss != null ? `${(sample.loss * 100).toFixed(1)} %` : NONE],
    ['Jitter', ms(sample?.jitterMs ?? null)],
    ['Round trip', ms(sample?.roundTripMs ?? null)],
    ['Buffer', ms(sample?.delayMs ?? null)],
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
