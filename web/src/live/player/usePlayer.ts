import { type RefObject, useCallback, useEffect, useRef, useState } from 'react'
import type { Playback } from '../../api/types'
import { type KeeperDeps, OFF, PlayerKeeper, type PlayerView } from './keeper'
import { loadPlayer } from './load'

const REAL: KeeperDeps = { load: loadPlayer }

export interface Player extends PlayerView {
  setMuted(muted: boolean): void
  tap(): void
  hold(held: boolean): void
  guard(guarded: boolean): void
  video(): HTMLVideoElement | null
  peer(): RTCPeerConnection | null
}

/** The picture in `stage` while there are addresses to play. */
export function usePlayer(stage: RefObject<HTMLElement | null>, playback: Playback | null, deps = REAL): Player {
  const keeper = useRef<PlayerKeeper | null>(null)
  const [view, setView] = useState(OFF)

  useEffect(() => {
    if (!stage.current) return
    const made = new PlayerKeeper(stage.current, deps, setView)
    keeper.current = made
    // Fetched while people still wait, so that the first frame does not.
    deps.load('webrtc').catch(() => {})
    return () => {
      made.dispose()
      keeper.current = null
      setView(OFF)
    }
  }, [stage, deps])

  const webrtc = playback?.webrtc
  const llhls = playback?.llhls
  useEffect(() => {
    keeper.current?.setPlayback(webrtc === undefined || llhls === undefined ? null : { webrtc, llhls })
  }, [webrtc, llhls])

  return {
    ...view,
    setMuted: useCallback((muted: boolean) => keeper.current?.setMuted(muted), []),
    tap: useCallback(() => keeper.current?.tap(), []),
    hold: useCallback((held: boolean) => keeper.current?.hold(held), []),
    guard: useCallback((guarded: boolean) => keeper.current?.guard(guarded), []),
    video: useCallback(() => keeper.current?.video ?? null, []),
    peer: useCallback(() => keeper.current?.peer ?? null, []),
  }
}
