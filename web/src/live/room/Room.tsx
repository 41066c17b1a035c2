import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import type { Visit } from '../../api/types'
import { useKeys } from '../../shared/keys'
import { Call } from '../call/Call'
import { Icon } from '../Icon'
import { pictureWords } from '../notices'
import { button, hiddenText, iconButton } from '../parts.css'
import { stage as stageClass } from '../player/stage.css'
import { usePlayer } from '../player/usePlayer'
import type { SessionApi } from '../useSession'
import { Bar } from './Bar'
import * as css from './room.css'
import { useChrome } from './useChrome'
import { useClearSpace } from './useClearSpace'
import { useFullScreen } from './useFullScreen'
import { useSplit } from './useSplit'
import { useWatermark } from './useWatermark'

// Opened by few, and never needed for the first picture.
const QualityPanel = lazy(() => import('../quality/QualityPanel'))
const People = lazy(() => import('./People'))
const Help = lazy(() => import('./Help'))

export type Panel = 'quality' | 'people' | 'help' | null

/** Picture above, call below; either may fail without the other. */
export function Room({ visit, facts, presence, events, leave }: SessionApi & { visit: Visit }) {
  const page = useRef<HTMLElement>(null)
  const picture = useRef<HTMLElement>(null)
  const stage = useRef<HTMLDivElement>(null)
  const live = visit.state === 'live'
  const player = usePlayer(stage, live ? visit.playback : null)
  const split = useSplit(page)
  // The native full screen of an iPhone would show the picture without the mark.
  const full = useFullScreen(picture, visit.watermark ? noVideo : player.video)
  const mark = useWatermark(stage, visit.watermark?.text ?? null)
  const [panel, setPanel] = useState<Panel>(null)
  const [callHidden, setCallHidden] = useState(false)
  const [front, setFront] = useState<'picture' | 'call'>('picture')
  const playing = player.phase === 'playing'
  const chrome = useChrome(panel !== null || !playing)
  const free = useClearSpace(stage, player.video, playing)
  const online = useOnline()

  const { hold } = player
  useEffect(() => hold(mark.tampered), [hold, mark.tampered])
  useEffect(() => {
    document.title = visit.title
  }, [visit.title])

  const toggle = (which: Exclude<Panel, null>) => setPanel((now) => (now === which ? null : which))
  const toggleCall = () => setCallHidden((hidden) => !hidden)
  useKeys({
    m: () => player.setMuted(!player.muted),
    f: full.toggle,
    c: toggleCall,
    i: () => toggle('quality'),
    '?': () => toggle('help'),
    Escape: () => setPanel(null),
  })

  const words = mark.tampered ? null : pictureWords({ seen: player.seen, phase: player.phase, live, callOpen: visit.call.available, offline: !online })
  return (
    <main ref={page} className={css.halves} style={split.style} data-call={callHidden ? 'hidden' : 'shown'} data-front={front}>
      <section ref={picture} className={css.picture} aria-label="Picture" data-half="picture">
        <h1 className={hiddenText}>{visit.title}</h1>
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
        <Bar
          visit={visit}
          presence={presence}
          player={player}
          shown={chrome.shown}
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
          onLeave={leave}
        />
        {playing && player.muted && !mark.tampered && (
          <button type="button" className={css.pill} data-place={free ? 'below' : 'above'} onClick={() => player.setMuted(false)}>
            <Icon name="muted" />
            Sound is off – click to hear
          </button>
        )}
        <Suspense>
          {panel === 'quality' && <QualityPanel facts={facts} events={events} player={player} onClose={() => setPanel(null)} />}
          {panel === 'people' && <People presence={presence} onClose={() => setPanel(null)} />}
          {panel === 'help' && <Help onClose={() => setPanel(null)} />}
        </Suspense>
      </section>
      <section className={css.call} aria-label="Call" data-half="call" inert={callHidden} style={split.dragging ? { pointerEvents: 'none' } : undefined}>
        <Call visit={visit} presence={presence} />
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

const noVideo = () => null

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
