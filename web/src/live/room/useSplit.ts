// The divider: half and half unless a person moves it in this page view.
import { type KeyboardEvent, type PointerEvent, type RefObject, useState } from 'react'

const MIN = 0.15
const MAX = 0.85
const SNAP = 0.02

export const clampSplit = (share: number): number => {
  const held = Math.min(MAX, Math.max(MIN, share))
  return Math.abs(held - 0.5) < SNAP ? 0.5 : held
}

export function useSplit(container: RefObject<HTMLElement | null>) {
  const [share, setShare] = useState(0.5)
  const [dragging, setDragging] = useState(false)

  const move = (event: PointerEvent) => {
    const box = container.current?.getBoundingClientRect()
    if (dragging && box && box.height > 0) setShare(clampSplit((event.clientY - box.top) / box.height))
  }
  return {
    share,
    dragging,
    reset: () => setShare(0.5),
    // Exactly `1fr 1fr` in the middle, so that no rounding shows a gap.
    style: (share === 0.5
      ? { '--split': '50%' }
      : { '--top': `${share}fr`, '--bottom': `${1 - share}fr`, '--split': `${share * 100}%` }) as Record<string, string>,
    handle: {
      role: 'separator',
      tabIndex: 0,
      'aria-orientation': 'horizontal' as const,
      'aria-label': 'Divide the page between picture and call',
      'aria-valuemin': MIN * 100,
      'aria-valuemax': MAX * 100,
      'aria-valuenow': Math.round(share * 100),
      'data-dragging': dragging,
      onPointerDown: (event: PointerEvent<HTMLElement>) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        setDragging(true)
      },
      onPointerMove: move,
      onPointerUp: () => setDragging(false),
      onPointerCancel: () => setDragging(false),
      onDoubleClick: () => setShare(0.5),
      onKeyDown: (event: KeyboardEvent) => {
        const step = { ArrowUp: -0.02, ArrowDown: 0.02, PageUp: -0.1, PageDown: 0.1 }[event.key]
        if (step !== undefined) setShare((now) => Math.min(MAX, Math.max(MIN, now + step)))
        else if (event.key === 'Home') setShare(0.5)
        else return
        event.preventDefault()
      },
    },
  }
}
