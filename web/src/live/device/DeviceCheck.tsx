import { useCallback, useEffect, useRef, useState } from 'react'
import { button, dot, primary, textButton } from '../parts.css'
import * as room from '../room/room.css'
import { Sheet } from '../room/Sheet'
import * as css from './device.css'
import { type Found, type Kind, mediaWords, openMedia } from './media'
import { networkWords, type Way } from './network'
import { readScreen, screenWords } from './screen'
import { useMicLevel } from './useMicLevel'

type Light = keyof typeof dot

interface Props {
  /** How the picture comes, where there is one. */
  way: Way | null
  onClose: () => void
  onJoin?: (() => void) | undefined
}

/** Before the call: can you be seen and heard? Nothing leaves this page. */
export default function DeviceCheck({ way, onClose, onJoin }: Props) {
  const { stream, camera, microphone, again } = useMedia()
  const level = useMicLevel(stream)
  const heard = useHighest(level) > 0.25
  const [tone, setTone] = useState<'unknown' | 'good' | 'error'>('unknown')
  const seen = deviceWords('camera', camera)
  const mic = deviceWords('microphone', microphone)
  const network = networkWords(way)
  const display = screenWords(readScreen())
  const hears = mic.light === 'good'
  return (
    <Sheet title="Camera and sound" onClose={onClose}>
      <Preview stream={stream} />
      <div className={css.rows}>
        <Row light={seen.light} name="Camera" line={seen.line} fix={seen.fix} />
        <Row light={hears && !heard ? 'unknown' : mic.light} name="Microphone" line={hears ? (heard ? 'You can be heard' : 'Say something') : mic.line} fix={mic.fix}>
          <span className={css.meter}>
            <span className={css.meterFill} style={{ transform: `scaleX(${level})` }} />
          </span>
        </Row>
        <Row light={tone} name="Speakers" line={tone === 'good' ? 'You hear sound' : tone === 'error' ? 'No sound heard' : 'Play a tone and listen'} fix={tone === 'error' ? 'Turn the volume up and check which output is chosen.' : ''}>
          <span className={css.choices}>
            <button type="button" className={textButton} onClick={() => playTone()}>
              Play a tone
            </button>
            <button type="button" className={textButton} onClick={() => setTone('good')}>
              I hear it
            </button>
            <button type="button" className={textButton} onClick={() => setTone('error')}>
              I don’t
            </button>
          </span>
        </Row>
        <Row light={network.light} name="Network" line={network.line} fix={network.fix} />
        <Row light={display.good ? 'good' : 'warning'} name="Display" line={display.line} fix={display.fix} />
      </div>
      <div className={room.dialogEnd}>
        {(seen.fix || mic.fix) && (
          <button type="button" className={button} onClick={again}>
            Check again
          </button>
        )}
        <button type="button" className={button} onClick={onClose}>
          {onJoin ? 'Skip' : 'Close'}
        </button>
        {onJoin && (
          <button type="button" className={primary} onClick={onJoin}>
            Join the call
          </button>
        )}
      </div>
    </Sheet>
  )
}

const LIGHT_WORD: Record<Light, string> = { good: 'good', warning: 'could be better', error: 'not working', unknown: 'not known yet', live: 'live' }

function Row({ light, name, line, fix, children }: { light: Light; name: string; line: string; fix: string; children?: React.ReactNode }) {
  return (
    <div className={css.row} data-device={name.toLowerCase()}>
      <span className={dot[light]} role="img" aria-label={LIGHT_WORD[light]} />
      <span className={css.name}>{name}</span>
      <span>
        {line}
        {fix && <span className={css.fix}>{fix}</span>}
        {children}
      </span>
    </div>
  )
}

function Preview({ stream }: { stream: MediaStream | null }) {
  const attach = useCallback(
    (video: HTMLVideoElement | null) => {
      if (video) video.srcObject = stream
    },
    [stream],
  )
  return <video ref={attach} className={css.preview} autoPlay muted playsInline aria-label="Your camera" />
}

function deviceWords(kind: Kind, found: Found | null): { light: Light; line: string; fix: string } {
  if (found === null) return { light: 'unknown', line: 'Allow it when the browser asks', fix: '' }
  if ('track' in found) return { light: 'good', line: found.track.label || 'Ready', fix: '' }
  return mediaWords(kind, found.why)
}

/** Both devices while the sheet is open; they are let go with it. */
function useMedia() {
  const [round, setRound] = useState(0)
  const [media, setMedia] = useState<{ stream: MediaStream | null; camera: Found | null; microphone: Found | null }>(ASKING)
  useEffect(() => {
    let gone = false
    let opened: MediaStreamTrack[] = []
    setMedia(ASKING)
    void openMedia().then(({ camera, microphone }) => {
      opened = [camera, microphone].flatMap((one) => ('track' in one ? [one.track] : []))
      if (gone) stop(opened)
      else setMedia({ stream: opened.length > 0 ? new MediaStream(opened) : null, camera, microphone })
    })
    return () => {
      gone = true
      stop(opened)
    }
  }, [round])
  return { ...media, again: () => setRound((now) => now + 1) }
}

const ASKING = { stream: null, camera: null, microphone: null }

const stop = (tracks: MediaStreamTrack[]) => {
  for (const track of tracks) track.stop()
}

function useHighest(value: number): number {
  const highest = useRef(0)
  highest.current = Math.max(highest.current, value)
  return highest.current
}

function playTone(): void {
  const context = new AudioContext()
  const oscillator = context.createOscillator()
  const gain = context.createGain()
  oscillator.frequency.value = 440
  gain.gain.setValueAtTime(0, context.currentTime)
  gain.gain.linearRampToValueAtTime(0.2, context.currentTime + 0.05)
  gain.gain.linearRampToValueAtTime(0, context.currentTime + 1)
  oscillator.connect(gain).connect(context.destination)
  oscillator.start()
  oscillator.stop(context.currentTime + 1)
  oscillator.onended = () => void context.close()
}
