// Stands in for OvenPlayer in screenshots: a drawn scene at 25 frames per
// second, and statistics such as a good network gives.
type Listener = (payload?: unknown) => void

const WIDTH = 960
const HEIGHT = 540
// The scene is laid out on 1280 × 720.
const SCALE = WIDTH / 1280

function create(container: HTMLElement, options: { mute?: boolean }) {
  const listeners = new Map<string, Listener[]>()
  const canvas = document.createElement('canvas')
  canvas.width = WIDTH
  canvas.height = HEIGHT
  const video = document.createElement('video')
  video.muted = true
  video.autoplay = true
  video.playsInline = true
  let frame = 0
  draw(canvas, frame)
  const timer = setInterval(() => draw(canvas, ++frame), 40)
  video.srcObject = canvas.captureStream(25)
  // A busy machine must not show in the figures of a screenshot.
  const began = performance.now()
  video.getVideoPlaybackQuality = () => ({ creationTime: 0, corruptedVideoFrames: 0, droppedVideoFrames: 0, totalVideoFrames: Math.floor(((performance.now() - began) / 1000) * 25) })
  Object.defineProperties(video, { videoWidth: { get: () => 1920 }, videoHeight: { get: () => 1080 } })
  container.append(video)
  void video.play()
  const emit = (event: string, payload?: unknown) => listeners.get(event)?.forEach((listener) => listener(payload))
  setTimeout(() => emit('peerConnectionPrepared', { getStats: () => stats() }), 10)
  void options
  return {
    on: (event: string, listener: Listener) => listeners.set(event, [...(listeners.get(event) ?? []), listener]),
    getMediaElement: () => video,
    setMute: () => {},
    setVolume: () => {},
    play: () => void video.play(),
    pause: () => video.pause(),
    remove: () => {
      clearInterval(timer)
      video.remove()
    },
  }
}

async function stats() {
  const seconds = performance.now() / 1000
  return new Map<string, unknown>([
    ['in', { id: 'in', type: 'inbound-rtp', kind: 'video', bytesReceived: seconds * 1_020_000, packetsReceived: Math.round(seconds * 900), packetsLost: 0, jitter: 0.004, jitterBufferDelay: seconds * 25 * 0.046, jitterBufferEmittedCount: seconds * 25, codecId: 'codec' }],
    ['codec', { id: 'codec', type: 'codec', mimeType: 'video/H264' }],
    ['pair', { id: 'pair', type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.018 }],
  ])
}

const scene = document.createElement('canvas')
scene.width = WIDTH
scene.height = HEIGHT
paint(scene.getContext('2d'))

function draw(canvas: HTMLCanvasElement, frame: number): void {
  const ink = canvas.getContext('2d')
  if (!ink) return
  ink.setTransform(1, 0, 0, 1, 0, 0)
  ink.drawImage(scene, 0, 0)
  ink.scale(SCALE, SCALE)
  for (let i = 0; i < 90; i++) {
    const y = 488 + ((i * 37) % 228)
    const spread = (y - 470) * 1.4
    const x = 860 + Math.sin(i * 12.9898 + frame * 0.02) * spread
    ink.fillStyle = `rgba(255,214,160,${0.28 * (1 - (y - 480) / 260)})`
    ink.fillRect(x, y, 22 + (i % 5) * 14, 1.6)
  }
}

/** Dusk over a northern fjord: the only colour on the page. */
function paint(ink: CanvasRenderingContext2D | null): void {
  if (!ink) return
  ink.scale(SCALE, SCALE)
  const sky = ink.createLinearGradient(0, 0, 0, 720 * 0.66)
  sky.addColorStop(0, '#0d1b33')
  sky.addColorStop(0.45, '#2c4763')
  sky.addColorStop(0.78, '#a8705a')
  sky.addColorStop(1, '#f0b27a')
  ink.fillStyle = sky
  ink.fillRect(0, 0, 1280, 720)
  const glow = ink.createRadialGradient(860, 470, 10, 860, 470, 380)
  glow.addColorStop(0, 'rgba(255,226,170,0.85)')
  glow.addColorStop(1, 'rgba(255,200,140,0)')
  ink.fillStyle = glow
  ink.fillRect(0, 0, 1280, 720)
  ridge(ink, 420, 90, 0.0041, 1.2, '#4a4a5e')
  ridge(ink, 450, 70, 0.0063, 4.1, '#30344a')
  ridge(ink, 475, 50, 0.0097, 2.6, '#1a2033')
  const water = ink.createLinearGradient(0, 480, 0, 720)
  water.addColorStop(0, '#b07f63')
  water.addColorStop(0.25, '#4b4f5f')
  water.addColorStop(1, '#0b1220')
  ink.fillStyle = water
  ink.fillRect(0, 482, 1280, 720 - 482)
}

function ridge(ink: CanvasRenderingContext2D, base: number, height: number, pace: number, phase: number, colour: string): void {
  ink.beginPath()
  ink.moveTo(0, 720)
  for (let x = 0; x <= 1280; x += 6) {
    const y = base - height * (0.5 + 0.5 * Math.sin(x * pace + phase)) - height * 0.35 * Math.abs(Math.sin(x * pace * 3.7 + phase * 2)) - 6 * Math.sin(x * 0.07 + phase)
    ink.lineTo(x, y)
  }
  ink.lineTo(1280, 720)
  ink.fillStyle = colour
  ink.fill()
}

export default { create }
