// What this browser really receives, as differences between two looks.
import { framesOf } from './frames'
import type { Transport } from './keeper'

export interface Sample {
  transport: Transport
  width: number
  height: number
  codec: string | null
  /** Frames shown in a second. */
  fps: number | null
  /** Frames that came in a second, shown or not; only WebRTC tells. */
  arrived: number | null
  bitrate: number | null
  /** Share of packets lost since the last look, 0 to 1. */
  loss: number | null
  jitterMs: number | null
  roundTripMs: number | null
  /** Since the last look: shown, and given up. */
  decoded: number
  dropped: number
  /** Since this connection began. */
  decodedInAll: number
  droppedInAll: number
  /** From the server to this screen, as far as the browser can tell. */
  delayMs: number | null
}

type Counting = HTMLVideoElement & { webkitVideoDecodedByteCount?: number; webkitAudioDecodedByteCount?: number }

interface Counters {
  at: number
  shown: number
  dropped: number
  bytes: number
  packets: number
  lost: number
  received: number | null
  bufferDelay: number
  bufferCount: number
  decodeTime: number
  decodeCount: number
}

export class StatsReader {
  private last: Counters | null = null

  async read(transport: Transport, video: HTMLVideoElement, peer: RTCPeerConnection | null): Promise<Sample> {
    const frames = framesOf(video, peer)
    const now: Counters = {
      at: performance.now(),
      shown: frames?.shown ?? 0,
      dropped: frames?.dropped ?? 0,
      bytes: 0,
      packets: 0,
      lost: 0,
      received: null,
      bufferDelay: 0,
      bufferCount: 0,
      decodeTime: 0,
      decodeCount: 0,
    }
    const sample: Sample = {
      transport,
      width: video.videoWidth,
      height: video.videoHeight,
      codec: null,
      fps: null,
      arrived: null,
      bitrate: null,
      loss: null,
      jitterMs: null,
      roundTripMs: null,
      decoded: 0,
      dropped: 0,
      decodedInAll: now.shown,
      droppedInAll: 0,
      delayMs: null,
    }
    if (peer && transport === 'webrtc') {
      const given = readPeer(await peer.getStats(), sample, now)
      if (frames?.dropped == null) now.dropped = given
    } else {
      sample.delayMs = behindLive(video)
      // Only some browsers count what they decoded.
      now.bytes = number((video as Counting).webkitVideoDecodedByteCount) + number((video as Counting).webkitAudioDecodedByteCount)
    }

    sample.droppedInAll = now.dropped

    const before = this.last
    this.last = now
    if (before === null || now.at <= before.at || now.shown < before.shown) return sample
    const seconds = (now.at - before.at) / 1000
    sample.dropped = Math.max(0, now.dropped - before.dropped)
    sample.decoded = now.shown - before.shown
    sample.fps = sample.decoded / seconds
    if (now.received !== null && before.received !== null) sample.arrived = Math.max(0, now.received - before.received) / seconds
    if (now.bytes > before.bytes) sample.bitrate = ((now.bytes - before.bytes) * 8) / seconds
    const lost = Math.max(0, now.lost - before.lost)
    const sent = now.packets - before.packets + lost
    if (sent > 0) sample.loss = lost / sent
    if (transport === 'webrtc') sample.delayMs = delay(before, now, sample.roundTripMs)
    return sample
  }
}

/** Fills in what the connection tells; answers how many frames it gave up. */
function readPeer(report: RTCStatsReport, sample: Sample, counters: Counters): number {
  let dropped = 0
  const all = new Map<string, Record<string, unknown>>()
  report.forEach((entry: Record<string, unknown> & { id: string }) => all.set(entry.id, entry))
  for (const entry of all.values()) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'video') {
      counters.bytes = number(entry.bytesReceived)
      counters.packets = number(entry.packetsReceived)
      counters.lost = number(entry.packetsLost)
      counters.received = typeof entry.framesReceived === 'number' ? entry.framesReceived : null
      counters.bufferDelay = number(entry.jitterBufferDelay)
      counters.bufferCount = number(entry.jitterBufferEmittedCount)
      counters.decodeTime = number(entry.totalDecodeTime)
      counters.decodeCount = number(entry.framesDecoded)
      dropped = number(entry.framesDropped)
      sample.jitterMs = number(entry.jitter) * 1000
      const codec = all.get(String(entry.codecId))
      if (codec) sample.codec = String(codec.mimeType).replace('video/', '')
    }
    if (entry.type === 'candidate-pair' && entry.nominated === true && typeof entry.currentRoundTripTime === 'number') {
      sample.roundTripMs = entry.currentRoundTripTime * 1000
    }
  }
  return dropped
}

const number = (value: unknown) => (typeof value === 'number' ? value : 0)

/** Half the way there and back, the wait in the buffer, and the decoding. */
function delay(before: Counters, now: Counters, roundTripMs: number | null): number | null {
  const buffered = each(now.bufferDelay - before.bufferDelay, now.bufferCount - before.bufferCount)
  if (buffered === null) return null
  const decoding = each(now.decodeTime - before.decodeTime, now.decodeCount - before.decodeCount) ?? 0
  return (buffered + decoding) * 1000 + (roundTripMs ?? 0) / 2
}

const each = (sum: number, count: number) => (count > 0 ? sum / count : null)

/** How far the newest moment that can be had lies ahead of what is shown. */
function behindLive(video: HTMLVideoElement): number | null {
  const { seekable, buffered } = video
  const ends = [seekable, buffered].flatMap((range) => (range.length > 0 ? [range.end(range.length - 1)] : [])).filter(Number.isFinite)
  return ends.length === 0 ? null : Math.max(0, Math.max(...ends) - video.currentTime) * 1000
}
