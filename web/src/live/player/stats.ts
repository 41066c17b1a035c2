// What this browser really receives, as differences between two looks.
import type { Transport } from './keeper'

export interface Sample {
  transport: Transport
  width: number
  height: number
  codec: string | null
  fps: number | null
  bitrate: number | null
  /** Share of packets lost since the last look, 0 to 1. */
  loss: number | null
  jitterMs: number | null
  roundTripMs: number | null
  /** Since the last look. */
  dropped: number
  decoded: number
  /** Behind the newest data this browser could have. */
  delayMs: number | null
}

interface Counters {
  at: number
  frames: number
  droppedFrames: number
  bytes: number
  packets: number
  lost: number
  bufferDelay: number
  bufferCount: number
}

export class StatsReader {
  private last: Counters | null = null

  async read(transport: Transport, video: HTMLVideoElement, peer: RTCPeerConnection | null): Promise<Sample> {
    const quality = video.getVideoPlaybackQuality()
    const now: Counters = {
      at: performance.now(),
      frames: quality.totalVideoFrames,
      droppedFrames: quality.droppedVideoFrames,
      bytes: 0,
      packets: 0,
      lost: 0,
      bufferDelay: 0,
      bufferCount: 0,
    }
    const sample: Sample = {
      transport,
      width: video.videoWidth,
      height: video.videoHeight,
      codec: null,
      fps: null,
      bitrate: null,
      loss: null,
      jitterMs: null,
      roundTripMs: null,
      dropped: 0,
      decoded: 0,
      delayMs: null,
    }
    if (peer && transport === 'webrtc') this.readPeer(await peer.getStats(), sample, now)
    else sample.delayMs = bufferedAhead(video)

    const before = this.last
    this.last = now
    if (before === null || now.at <= before.at || now.frames < before.frames) return sample
    const seconds = (now.at - before.at) / 1000
    sample.decoded = now.frames - before.frames
    sample.dropped = Math.max(0, now.droppedFrames - before.droppedFrames)
    sample.fps = sample.decoded / seconds
    if (now.bytes > before.bytes) sample.bitrate = ((now.bytes - before.bytes) * 8) / seconds
    const lost = Math.max(0, now.lost - before.lost)
    const sent = now.packets - before.packets + lost
    if (sent > 0) sample.loss = lost / sent
    if (now.bufferCount > before.bufferCount) {
      sample.delayMs = ((now.bufferDelay - before.bufferDelay) / (now.bufferCount - before.bufferCount)) * 1000
    }
    return sample
  }

  private readPeer(report: RTCStatsReport, sample: Sample, counters: Counters): void {
    const all = new Map<string, Record<string, unknown>>()
    report.forEach((entry: Record<string, unknown> & { id: string }) => all.set(entry.id, entry))
    for (const entry of all.values()) {
      if (entry.type === 'inbound-rtp' && entry.kind === 'video') {
        counters.bytes = number(entry.bytesReceived)
        counters.packets = number(entry.packetsReceived)
        counters.lost = number(entry.packetsLost)
        counters.bufferDelay = number(entry.jitterBufferDelay)
        counters.bufferCount = number(entry.jitterBufferEmittedCount)
        sample.jitterMs = number(entry.jitter) * 1000
        const codec = all.get(String(entry.codecId))
        if (codec) sample.codec = String(codec.mimeType).replace('video/', '')
      }
      if (entry.type === 'candidate-pair' && entry.nominated === true && typeof entry.currentRoundTripTime === 'number') {
        sample.roundTripMs = entry.currentRoundTripTime * 1000
      }
    }
  }
}

const number = (value: unknown) => (typeof value === 'number' ? value : 0)

function bufferedAhead(video: HTMLVideoElement): number | null {
  const { buffered } = video
  if (buffered.length === 0) return null
  return Math.max(0, buffered.end(buffered.length - 1) - video.currentTime) * 1000
}
