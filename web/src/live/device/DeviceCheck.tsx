import { useCallback, useEffect, useRef, useState } from 'react'
import { button, dot, primary, textButton } from '../parts.css'
import * as room from '../room/room.css'
import { Sheet } from '../room/Sheet'
import * as css from './device.css'
import { readScreen, screenWords } from './screen'
import { probeUdp, type Udp } from './udp'
import { useMicLevel } from './useMicLevel'

type Light = keyof typeof dot

/** Before the call: can you be seen and heard? Nothing leaves this page. */
export default function DeviceCheck({ onClose, onJoin }: { onClose: () => void; onJoin?: (() => void) | undefined }) {
  const media = useMedia()
  const level = useMicLevel(media.stream)
  const heard = useHighest(level) > 0.25
  const udp = useUdp()
  const [tone, setTone] = useState<'unknown' | 'good' | 'error'>('unknown')
  const display = screenWords(readScreen())
  return (
    <Sheet title="Camera and sound" onClose={onClose}>
      <Preview stream={media.stream} />
      <div className={css.rows}>
        <Row light={media.camera} name="Camera" line={media.cameraLine} fix={media.camera === 'error' ? media.fix : ''} />
        <Row light={media.mic === 'good' ? (heard ? 'good' : 'unknown') : media.mic} name="Microphone" line={media.mic === 'good' ? (heard ? 'You can be heard' : 'Say something') : media.micLine} fix={media.mic === 'error' ? media.fix : ''}>
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
        <Row light={UDP_LIGHT[udp]} name="Network" line={UDP_LINE[udp]} fix={udp === 'no' ? 'A VPN or policy blocks UDP. The picture still comes, about 2 s later.' : ''} />
        <Row light={display.good ? 'good' : 'warning'} name="Display" line={display.line} fix={display.fix} />
      </div>
      <div className={room.dialogEnd}>
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

const UDP_LIGHT: Record<Udp | 'asking', Light> = { yes: 'good', no: 'warning', unsupported: 'error', asking: 'unknown' }
const UDP_LINE: Record<Udp | 'asking', string> = {
  yes: 'This browser can send UDP',
  no: 'UDP is blocked here',
  unsupported: 'This browser has no WebRTC',
  asking: 'Checking…',
}

function Row({ light, name, line, fix, children }: { light: Light; name: string; line: string; fix: string; children?: React.ReactNode }) {
  return (
    <div className={css.row}>
      <span className={dot[light]} />
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

interface Media {
  stream: MediaStream | null
  camera: Light
  cameraLine: string
  mic: Light
  micLine: string
  fix: string
}

const ASKING: Media = { stream: null, camera: 'unknown', cameraLine: 'Allow it when the browser asks', mic: 'unknown', micLine: 'Allow it when the browser asks', fix: '' }

function useMedia(): Media {
  const [media, setMedia] = useState(ASKING)
  useEffect(() => {
    let gone = false
    let opened: MediaStream | null = null
    open().then(
      (stream) => {
        opened = stream
        if (gone) return stop(stream)
        const camera = stream.getVideoTracks()[0]
        const mic = stream.getAudioTracks()[0]
        setMedia({
          stream,
          camera: camera ? 'good' : 'warning',
          cameraLine: camera?.label || (camera ? 'Ready' : 'None found: you can still talk'),
          mic: mic ? 'good' : 'error',
          micLine: mic ? 'Ready' : 'None found',
          fix: mic ? '' : 'Plug one in, or join and listen.',
        })
      },
      (error: DOMException) => {
        if (gone) return
        const refused = error.name === 'NotAllowedError'
        const line = refused ? 'Not allowed' : error.name === 'NotFoundError' ? 'None found' : 'Could not be opened'
        const fix = refused ? 'Allow camera and microphone for this site beside the address.' : 'Close other programs that use it, then check again.'
        setMedia({ stream: null, camera: 'error', cameraLine: line, mic: 'error', micLine: line, fix })
      },
    )
    return () => {
      gone = true
      if (opened) stop(opened)
    }
  }, [])
  return media
}

/** Both, or whichever exists. */
async function open(): Promise<MediaStream> {
  const devices = navigator.mediaDevices
  if (!devices) throw new DOMException('no devices', 'NotFoundError')
  try {
    return await devices.getUserMedia({ audio: true, video: true })
  } catch (error) {
    if ((error as DOMException).name !== 'NotFoundError') throw error
    return devices.getUserMedia({ audio: true })
  }
}

const stop = (stream: MediaStream) => {
  for (const track of stream.getTracks()) track.stop()
}

function useUdp(): Udp | 'asking' {
  const [udp, setUdp] = useState<Udp | 'asking'>('asking')
  useEffect(() => {
    let gone = false
    void probeUdp().then((found) => !gone && setUdp(found))
    return () => {
      gone = true
    }
  }, [])
  return udp
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
