// OvenPlayer ships no types; these are the parts this page uses.
declare module 'ovenplayer' {
  export interface OvenSource {
    type: 'webrtc' | 'llhls'
    file: string
    label?: string
  }

  export interface OvenOptions {
    sources: OvenSource[]
    autoStart?: boolean
    autoFallback?: boolean
    mute?: boolean
    controls?: boolean
    showBigPlayButton?: boolean
    webrtcConfig?: { timeoutMaxRetry?: number; connectionTimeout?: number }
    hlsConfig?: Record<string, unknown>
  }

  /** Of hls.js, what a picture needs that is held. */
  export interface OvenHls {
    levels: unknown[]
    stopLoad(): void
    startLoad(): void
  }

  export interface OvenPlayerInstance {
    on(event: 'error', listener: (error: { code?: number }) => void): void
    on(event: 'stateChanged', listener: (change: { prevstate: string; newstate: string }) => void): void
    on(event: 'peerConnectionPrepared', listener: (peer: RTCPeerConnection) => void): void
    on(event: 'hlsPrepared', listener: (hls: OvenHls) => void): void
    getMediaElement(): HTMLVideoElement | null
    setMute(muted: boolean): void
    setVolume(percent: number): void
    play(): void
    pause(): void
    remove(): void
  }

  const OvenPlayer: { create(container: HTMLElement, options: OvenOptions): OvenPlayerInstance }
  export default OvenPlayer
}
