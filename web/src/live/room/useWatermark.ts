import { type RefObject, useEffect, useState } from 'react'
import { layWatermark } from './watermark'

/** True once the mark was tampered with; `restore` lays it again. */
export function useWatermark(stage: RefObject<HTMLElement | null>, text: string | null): { tampered: boolean; restore: () => void } {
  const [tampered, setTampered] = useState(false)
  useEffect(() => {
    if (text === null || tampered || !stage.current) return
    return layWatermark(stage.current, text, () => setTampered(true))
  }, [stage, text, tampered])
  return { tampered: tampered && text !== null, restore: () => setTampered(false) }
}
