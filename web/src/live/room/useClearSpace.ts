import { type RefObject, useEffect, useState } from 'react'

const PILL = { width: 250, height: 64 }

/** Whether the corner below left of the picture is free of picture. */
export function cornerIsFree(box: { width: number; height: number }, video: { width: number; height: number }): boolean {
  if (video.width === 0 || video.height === 0 || box.width === 0 || box.height === 0) return true
  const scale = Math.min(box.width / video.width, box.height / video.height)
  return (box.width - video.width * scale) / 2 >= PILL.width || (box.height - video.height * scale) / 2 >= PILL.height
}

/** Nothing of ours lies over the lower third while it plays: subtitles and burn-ins live there. */
export function useClearSpace(stage: RefObject<HTMLElement | null>, video: () => HTMLVideoElement | null, playing: boolean): boolean {
  const [free, setFree] = useState(true)
  useEffect(() => {
    const box = stage.current
    if (!box) return
    const measure = () => {
      const shown = playing ? video() : null
      setFree(cornerIsFree({ width: box.clientWidth, height: box.clientHeight }, { width: shown?.videoWidth ?? 0, height: shown?.videoHeight ?? 0 }))
    }
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(box)
    const shown = video()
    shown?.addEventListener('resize', measure)
    return () => {
      observer.disconnect()
      shown?.removeEventListener('resize', measure)
    }
  }, [stage, video, playing])
  return free
}
