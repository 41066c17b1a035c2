import { useEffect, useRef, useState } from 'react'
import type { Visit } from '../../api/types'
import { arrive, useTitle } from '../../shared/arrive'
import { Boundary } from '../../shared/Boundary'
import { useKeys } from '../../shared/keys'
import { later } from '../../shared/later'
import { Call } from '../call/Call'
import { Given } from '../Given'
import { Icon } from '../Icon'
import { pictureWords } from '../notices'
import { button, hiddenText, iconButton, primary } from '../parts.css'
import { stage as stageClass } from '../player/stage.css'
import { usePlayer } from '../player/usePlayer'
import type { SessionApi } from '../useSession'
import { Bar } from './Bar'
import { Leave } from './Leave'
import * as css from './room.css'
import { useChrome } from './useChrome'
import { useClearSpace } from './useClearSpace'
import { useFullScreen } from './useFullScreen'
import { useSplit } from './useSplit'
import { useWatermark } from './useWatermark'

// Opened by few, and never needed for the first picture.
const QualityPanel = later(() => import('../quality/QualityPanel'))
const People = later(() => import('./People'))
const Help = later(() => import('./Help'))

export type Panel = 'quality' | 'people' | 'help' | 'leave' | null

/** Picture above, call below; either may fail without the other. */
export function Room({ visit, facts, presence, events, clockOffset, leave, giveUp }: SessionApi & { visit: Visit }) {
  const page = useRef<HTMLElement>(null)
  const picture = useRef<HTMLElement>(null)
  const stage = useRef<HTMLDivElement>(null)
  const live = visit.state === 'live'
  const player = usePlayer(stage, live ? (visit.playback ?? null) : null)
  const split = useSplit(page)
  // The native full screen of an iPhone would show the picture without the mark.
  const full = useFullScreen(picture, visit.watermark ? null : player.video)
  const mark = useWatermark(stage, visit.watermark?.text ?? null)
  const [panel, setPanel] = useState<Panel>(null)
  const [callHidden, setCallHidden] = useState(false)
  const [front, setFront] = useState<'picture' | 'call'>('picture')
  const playing = player.phase === 'playing'
  const bar = useRef<HTMLDivElement>(null)
  const chrome = useChrome(bar, panel !== null || !playing)
  const free = useClearSpace(stage, player.video, playing)
  const online = useOnline()

  const { hold, guard } = player
  const marked = visit.watermark != null
  useEffect(() => hold(mark.tampered), [hold, mark.tampered])
  // A marked picture is shown with its mark or not at all.
  useEffect(() => guard(marked), [guard, marked])
  useTitle(visit.title)

  const toggle = (which: Exclude<Panel, null>) => setPanel((now) => (now === which ? null : which))
  const close = () => setPanel(null)
  const toggleCall = () => setCallHidden((hidden) => !hidden)
  useKeys({
    m: () => player.setMuted(!player.muted),
    f: () => full.toggle?.(),
    c: toggleCall,
    i: () => toggle('quality'),
    '?': () => toggle('help'),
    Escape: close,
  })

  const words = mark.tampered ? null : pictureWords({ ...player, live, callOpen: visit.call.available, offline: !online, picture: visit.picture, host: visit.invited_by })
  const dock = panel === 'quality' || panel === 'people' ? panel : 'none'
  const failure = { note: css.failure, button }
  return (
    <main ref={page} className={css.halves} style={split.style} data-call={callHidden ? 'hidden' : 'shown'} data-front={front}>
      <section ref={picture} className={css.picture} aria-label="Picture" data-half="picture">
        <h1 ref={arrive} tabIndex={-1} className={hiddenText}>
          <Given>{visit.title}</Given>
        </h1>
        {/* A panel takes its room beside the picture, never on it. */}
        <div className={css.screen} data-dock={dock}>
          <div ref={stage} className={stageClass} style={words && !playing ? { opacity: 0 } : undefined} />
          <p className={css.words} role="status">
            {words}
          </p>
          {mark.tampered && (
            <div className={css.invite} style={{ position: 'absolute', inset: 0 }}>
              <p role="alert">The watermark was removed, so the picture is paused.</p>
              <button type="button" className={button} onClick={mark.restore}>
                Put it back and go on
              </button>
            </div>
          )}
          {player.phase === 'needs-tap' && !mark.tampered && (
            <div className={css.invite} style={{ position: 'absolute', inset: 0 }}>
              <p>Your browser shows no picture until you ask for it.</p>
              <button type="button" className={primary} onClick={player.tap}>
                Show the picture
              </button>
            </div>
          )}
          {playing && player.muted && !mark.tampered && dock === 'none' && (
            <button type="button" className={css.pill} data-place={free ? 'below' : 'above'} onClick={() => player.setMuted(false)}>
              <Icon name="muted" />
              Sound is off – click to hear
            </button>
          )}
        </div>
        <Boundary {...failure}>
          <Bar
            visit={visit}
            presence={presence}
            player={player}
            self={bar}
            {...chrome}
            panel={panel}
            onPanel={toggle}
            full={full.full}
            onFull={full.toggle}
            callHidden={callHidden}
            onCall={toggleCall}
            onFront={() => {
              setCallHidden(false)
              setFront('call')
            }}
            onLeave={() => setPanel('leave')}
          />
        </Boundary>
        <Boundary key={panel} {...failure}>
          {panel === 'quality' && <QualityPanel visit={visit} facts={facts} events={events} player={player} clockOffset={clockOffset} />}
          {panel === 'people' && <People presence={presence} />}
          {panel === 'help' && <Help onClose={close} />}
          {panel === 'leave' && <Leave onStay={close} onLeave={leave} onGiveUp={giveUp} />}
        </Boundary>
      </section>
      <section className={css.call} aria-label="Call" data-half="call" inert={callHidden} style={split.dragging ? { pointerEvents: 'none' } : undefined}>
        <Boundary note={css.invite} button={button}>
          <Call visit={visit} presence={presence} way={player} />
        </Boundary>
        {front === 'call' && (
          <button type="button" className={`${iconButton} ${css.back} ${css.onlyLyingDown}`} aria-label="Back to the picture" onClick={() => setFront('picture')}>
            <Icon name="whole" />
          </button>
        )}
      </section>
      <div className={css.divider} {...split.handle} />
    </main>
  )
}

function useOnline(): boolean {
  const [online, setOnline] = useState(() => navigator.onLine)
  useEffect(() => {
    const change = () => setOnline(navigator.onLine)
    window.addEventListener('online', change)
    window.addEventListener('offline', change)
    return () => {
      window.removeEventListener('online', change)
      window.removeEventListener('offline', change)
    }
  }, [])
  return online
}
