import { useCallback, useEffect, useRef, useState } from 'react'

const LINGER_MS = 3000

/** True from the last movement until 3 s later, and while something pins it. */
export function useChrome(pinned: boolean): { shown: boolean; stir: () => void } {
  const [stirred, setStirred] = useState(true)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const stir = useCallback(() => {
    setStirred(true)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => setStirred(false), LINGER_MS)
  }, [])
  useEffect(() => {
    stir()
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
    for (const name of events) window.addEventListener(name, stir, { passive: true })
    return () => {
      clearTimeout(timer.current)
      for (const name of events) window.removeEventListener(name, stir)
    }
  }, [stir])
  return { shown: stirred || pinned, stir }
}
