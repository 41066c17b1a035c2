// Frames that reached the screen. Every browser counts somewhere, and no two
// in the same place: Firefox counts none of a connection among a video's own
// figures, nor does older WebKit, and says 0 for ever.

export interface Frames {
  shown: number
  /** Null where the video itself does not tell. */
  dropped: number | null
}

interface Count {
  presented: number
  decoded: number
  asking: boolean
}

const counts = new WeakMap<HTMLVideoElement, Count>()

/** So far, of a video that may play a connection. Counts from the first call on; null where nothing is counted. */
export function framesOf(video: HTMLVideoElement, peer: RTCPeerConnection | null): Frames | null {
  const count = counts.get(video) ?? begin(video)
  const quality = video.getVideoPlaybackQuality?.()
  if (quality && countsItself(video)) {
    // The total counts the dropped ones, too.
    return { shown: quality.totalVideoFrames - quality.droppedVideoFrames, dropped: quality.droppedVideoFrames }
  }
  if (peer) void ask(video, peer, count)
  if (count.presented > 0 || peer) return { shown: count.presented || count.decoded, dropped: null }
  return tells(video) || quality ? { shown: 0, dropped: null } : null
}

/**
 * A number that changes as long as frames come, and is 0 before the first.
 * Every sign counts: nothing is presented of a video that has no room on the page.
 */
export function pulse(video: HTMLVideoElement, peer: RTCPeerConnection | null): number {
  const frames = framesOf(video, peer)
  if (frames === null) return video.readyState >= HAVE_CURRENT_DATA ? video.currentTime : 0
  return frames.shown + (counts.get(video)?.decoded ?? 0)
}

const HAVE_CURRENT_DATA = 2

const countsItself = (video: HTMLVideoElement) => (video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0) > 0

const tells = (video: HTMLVideoElement) => 'requestVideoFrameCallback' in video

function begin(video: HTMLVideoElement): Count {
  const count: Count = { presented: 0, decoded: 0, asking: false }
  counts.set(video, count)
  if (tells(video)) {
    const next = (_at: number, frame: { presentedFrames: number }) => {
      count.presented = frame.presentedFrames
      // Asked for on and on only where nothing else counts.
      if (!countsItself(video)) video.requestVideoFrameCallback(next)
    }
    video.requestVideoFrameCallback(next)
  }
  return count
}

/** What a connection decoded, where nobody tells what was shown. A paused video shows none of it. */
async function ask(video: HTMLVideoElement, peer: RTCPeerConnection, count: Count): Promise<void> {
  if (count.asking || video.paused) return
  count.asking = true
  try {
    const report = await peer.getStats()
    report.forEach((entry: { type: string; kind?: string; framesDecoded?: number }) => {
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') count.decoded = entry.framesDecoded ?? 0
    })
  } catch {
    // The connection ended meanwhile: nothing more comes of it.
  } finally {
    count.asking = false
  }
}
