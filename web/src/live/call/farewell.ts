// How the page learns that its call frame was left: the call knows no
// postMessage, but it navigates to our own /left or /ended, which tells.
import { useEffect, useRef } from 'react'

export type Farewell = 'left' | 'ended'

const KIND = 'colourstream:call'

export function tellParent(how: Farewell): void {
  if (window.parent !== window) window.parent.postMessage({ kind: KIND, how }, location.origin)
}

/** Hears only our own origin, and only from the frame that is ours. */
export function useFarewell(frame: () => HTMLIFrameElement | null, onFarewell: (how: Farewell) => void): void {
  const latest = useRef({ frame, onFarewell })
  latest.current = { frame, onFarewell }
  useEffect(() => {
    const hear = (event: MessageEvent) => {
      const { frame: current, onFarewell: tell } = latest.current
      if (event.origin !== location.origin || event.source !== current()?.contentWindow) return
      const data = event.data as { kind?: unknown; how?: unknown } | null
      if (data?.kind !== KIND) return
      tell(data.how === 'ended' ? 'ended' : 'left')
    }
    window.addEventListener('message', hear)
    return () => window.removeEventListener('message', hear)
  }, [])
}
