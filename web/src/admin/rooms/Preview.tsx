import { useState } from 'react'
import { getPreview } from '../../api/admin'
import type { Playback, Room } from '../../api/types'
import { Boundary } from '../../shared/Boundary'
import { later } from '../../shared/later'
import { bitrate, codecName, duration, fps, sentence, sentences } from '../../shared/words'
import { ProblemNote } from '../../ui/ProblemNote'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'

const PreviewPlayer = later(() => import('./PreviewPlayer'))

/** The encoder's health in figures, and the picture when asked for. */
export function Preview({ room, now }: { room: Room; now: number }) {
  const [playback, setPlayback] = useState<Playback | null>(null)
  const [error, setError] = useState<unknown>(null)
  const facts = room.live.facts
  const live = room.state === 'live'
  if (!live || !facts) {
    if (room.state !== 'waiting') return null
    return (
      <section className={css.section}>
        <h2 className={css.h2}>Picture</h2>
        <p className={ui.quiet}>No encoder is sending. Start the stream in OBS or your encoder with the key below; the picture appears on every page by itself.</p>
      </section>
    )
  }
  const { video, audio } = facts
  const show = async () => {
    setError(null)
    try {
      setPlayback(await getPreview(room.id))
    } catch (problem) {
      setError(problem)
    }
  }
  const troubles = facts.hints.filter((hint) => hint.level === 'warning' || hint.level === 'error')
  // What is an issue of the room already stands above.
  const unsaid = troubles.filter((hint) => !room.issues.some((issue) => sentence(issue.what) === sentence(hint.what)))
  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>Picture</h2>
        <button type="button" className={ui.button.plain} onClick={() => (playback ? setPlayback(null) : void show())}>
          {playback ? 'Hide preview' : 'Show preview'}
        </button>
      </div>
      {playback && (
        <Boundary note={ui.note.bad} button={ui.button.plain}>
          <PreviewPlayer room={room.id} playback={playback} />
        </Boundary>
      )}
      {error !== null && <ProblemNote error={error} />}
      <dl className={css.facts}>
        <dt className={css.factName}>Encoder</dt>
        <dd className={css.factValue}>
          <span className={facts.receiving ? (troubles.length > 0 ? ui.dot.warning : ui.dot.good) : ui.dot.bad} />
          <span>
            {facts.receiving ? `sends by ${facts.protocol.toUpperCase()}` : 'connected, but nothing arrives'}
            {facts.live_since && ` for ${duration(now - Date.parse(facts.live_since))}`}
          </span>
        </dd>
        <dt className={css.factName}>Video</dt>
        <dd className={css.factValue}>
          {video ? [`${codecName(video.codec)} ${video.width} × ${video.height}`, fps(video.fps), bitrate(video.bitrate), video.keyframe_seconds ? `keyframe every ${video.keyframe_seconds.toFixed(1)} s` : null].filter(Boolean).join(' · ') : 'none'}
        </dd>
        <dt className={css.factName}>Sound</dt>
        <dd className={css.factValue}>{audio ? [codecName(audio.codec), bitrate(audio.bitrate), `${audio.sample_rate / 1000} kHz`, audio.channels === 1 ? 'mono' : audio.channels === 2 ? 'stereo' : `${audio.channels} channels`].join(' · ') : 'none'}</dd>
        <dt className={css.factName}>People</dt>
        <dd className={css.factValue}>
          {room.live.viewers} watching · {room.live.callers} in the call
        </dd>
      </dl>
      {unsaid.map((hint) => (
        <div key={hint.what} className={hint.level === 'error' ? ui.note.bad : ui.note.warning}>
          <p>{hint.what}</p>
          <p className={ui.quiet}>
            {sentences(hint.why, hint.fix)}
          </p>
        </div>
      ))}
    </section>
  )
}
