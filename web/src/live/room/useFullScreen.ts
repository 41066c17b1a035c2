import { type RefObject, useCallback, useEffect, useState } from 'react'

type OldVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void }

/**
 * The picture's half on the whole screen; on an iPhone only the video can,
 * where it may. `toggle` is null where a browser has no way to do either.
 */
export function useFullScreen(target: RefObject<HTMLElement | null>, video: (() => HTMLVideoElement | null) | null) {
  const [full, setFull] = useState(false)
  useEffect(() => {
    const change = () => setFull(document.fullscreenElement !== null)
    document.addEventListener('fullscreenchange', change)
    return () => document.removeEventListener('fullscreenchange', change)
  }, [])
  const toggle = useCallback(() => {
    if (document.fullscreenElement) void document.exitFullscreen()
    else if (document.fullscreenEnabled) target.current?.requestFullscreen().catch(() => {})
    else (video?.() as OldVideo | null | undefined)?.webkitEnterFullscreen?.()
  }, [target, video])
  const able = document.fullscreenEnabled || (video !== null && 'webkitEnterFullscreen' in HTMLVideoElement.prototype)
  return { full, toggle: able ? toggle : null }
}
