import { type RefObject, useEffect, useState } from 'react'

const LINGER_MS = 3000

/**
 * Shown from the last movement until 3 s later, while something pins it and
 * while a key has put the focus into it. Hidden it is only faded, so that Tab
 * and a screen reader find it; out of reach only for a mouse that rests.
 */
export function useChrome(bar: RefObject<HTMLElement | null>, pinned: boolean): { shown: boolean; inert: boolean } {
  const [rests, setRests] = useState<'no' | 'faded' | 'inert'>('no')
  useEffect(() => {
    let mouse = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const rest = () => {
      if (bar.current?.querySelector(':focus-visible')) linger()
      else setRests(mouse && !bar.current?.contains(document.activeElement) ? 'inert' : 'faded')
    }
    const linger = () => {
      clearTimeout(timer)
      timer = setTimeout(rest, LINGER_MS)
    }
    const stir = (event: Event) => {
      mouse = (event as PointerEvent).pointerType === 'mouse'
      setRests('no')
      linger()
    }
    linger()
    const events = ['pointermove', 'pointerdown', 'keydown', 'focusin'] as const
    for (const name of events) window.addEventListener(name, stir, { passive: true })
    return () => {
      clearTimeout(timer)
      for (const name of events) window.removeEventListener(name, stir)
    }
  }, [bar])
  return { shown: rests === 'no' || pinned, inert: rests === 'inert' && !pinned }
}
