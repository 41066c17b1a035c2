// Camera and microphone, each for itself: what one lacks says nothing of the
// other.
export type Kind = 'camera' | 'microphone'
export type Found = { track: MediaStreamTrack } | { why: Why }
export type Why = 'none' | 'refused' | 'taken' | 'unsupported' | 'failed'

export interface Media {
  camera: Found
  microphone: Found
}

type Ask = (wanted: MediaStreamConstraints) => Promise<MediaStream>

const browserAsk: Ask | null = navigator.mediaDevices ? (wanted) => navigator.mediaDevices.getUserMedia(wanted) : null

/** Both with one question, else each with its own. */
export async function openMedia(ask: Ask | null = browserAsk): Promise<Media> {
  if (ask === null) return { camera: { why: 'unsupported' }, microphone: { why: 'unsupported' } }
  try {
    const both = await ask({ audio: true, video: true })
    return { camera: found(both.getVideoTracks()[0]), microphone: found(both.getAudioTracks()[0]) }
  } catch {
    // One after the other: two questions at once would lie over each other.
    const camera = await alone(ask, { video: true })
    const microphone = await alone(ask, { audio: true })
    return { camera, microphone }
  }
}

async function alone(ask: Ask, wanted: MediaStreamConstraints): Promise<Found> {
  try {
    return found((await ask(wanted)).getTracks()[0])
  } catch (error) {
    return { why: whyNot((error as DOMException).name) }
  }
}

const found = (track: MediaStreamTrack | undefined): Found => (track ? { track } : { why: 'none' })

function whyNot(name: string): Why {
  switch (name) {
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'none'
    case 'NotAllowedError':
    case 'SecurityError':
      return 'refused'
    case 'NotReadableError':
    case 'AbortError':
      return 'taken'
    default:
      return 'failed'
  }
}

/** Each reason has its own words and its own way out. */
export function mediaWords(kind: Kind, why: Why): { light: 'warning' | 'error'; line: string; fix: string } {
  switch (why) {
    case 'none':
      return kind === 'camera'
        ? { light: 'warning', line: 'None found', fix: 'Plug one in and check again, or join without: you can still talk.' }
        : { light: 'error', line: 'None found', fix: 'Plug one in and check again, or join and listen.' }
    case 'refused':
      return { light: 'error', line: 'Not allowed', fix: `Allow the ${kind} for this site beside the address, then check again.` }
    case 'taken':
      return { light: 'error', line: 'In use, or it does not answer', fix: 'Close other programs that use it, then check again.' }
    case 'unsupported':
      return { light: 'error', line: 'This browser gives no access', fix: 'Open the page in a current browser.' }
    case 'failed':
      return { light: 'error', line: 'Could not be opened', fix: 'Unplug it and plug it in again, then check again.' }
  }
}
