// The heavy part, fetched only once somebody is in a room. OvenPlayer looks
// for hls.js as a global, before an LLHLS player is created; WebRTC does not
// wait for it, so the first picture costs half the download.
import type { OvenOptions, OvenPlayerInstance } from 'ovenplayer'

export type CreatePlayer = (container: HTMLElement, options: OvenOptions) => OvenPlayerInstance

/** A fetch that is shared while it succeeds, and asked again after a failure. */
function once<T>(fetch: () => Promise<T>): () => Promise<T> {
  let pending: Promise<T> | undefined
  return () => {
    pending ??= fetch().catch((error: unknown) => {
      pending = undefined
      throw error
    })
    return pending
  }
}

const loadHls = once(async () => {
  const { default: Hls } = await import('hls.js')
  ;(window as { Hls?: unknown }).Hls = Hls
})

const loadOven = once(async (): Promise<CreatePlayer> => {
  const { default: OvenPlayer } = await import('ovenplayer')
  return (container, options) => OvenPlayer.create(container, options)
})

export async function loadPlayer(transport: 'webrtc' | 'llhls'): Promise<CreatePlayer> {
  const create = await loadOven()
  const hls = loadHls()
  // The fallback is made ready while WebRTC still tries.
  if (transport === 'llhls') await hls
  else hls.catch(() => {})
  return create
}
