import { type RefObject, useCallback, useEffect, useState } from 'react'

type OldVideo = HTMLVideoElement & { webkitEnterFullscreen?: () => void }

/** The picture's half on the whole screen; on an iPhone only the video can. */
export function useFullScreen(target: RefObject<HTMLElement | null>, video: () => HTMLVideoElement | null) {
  const [full, setFull] = useState(false)
  useEffect(() => {
    const change = () => setFull(document.fullscreenElement !== null)
    document.addEventListener('fullscreenchange', change)
    return () => document.removeEventListener('fullscreenchange', change)
  }, [])
  const toggle = useCallback(() => {
    if (document.fullscreenElement) void document.exitFullscreen()
    else if (target.current?.requestFullscreen) target.current.requestFullscreen().catch(() => {})
    else (video() as OldVideo | null)?.webkitEnterFullscreen?.()
  }, [target, video])
  return { full, toggle }
}
