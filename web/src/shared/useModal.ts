import { type RefObject, useLayoutEffect, useRef } from 'react'

const open: HTMLDialogElement[] = []
const listeners = new Set<() => void>()

/** The dialog on top; all that is outside it is out of reach. */
export const topDialog = (): HTMLDialogElement | null => open.at(-1) ?? null

/** Told before one is opened or taken away. */
export function onDialogs(listener: () => void): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/**
 * A native dialog, open for as long as it is rendered. It is closed before it
 * is taken out of the page: only then the focus goes back to where it was.
 */
export function useModal(onClose: () => void): { dialog: RefObject<HTMLDialogElement | null>; closed: () => void } {
  const dialog = useRef<HTMLDialogElement>(null)
  const leaves = useRef(false)
  useLayoutEffect(() => {
    const shown = dialog.current
    if (!shown) return
    leaves.current = false
    open.push(shown)
    for (const tell of listeners) tell()
    if (!shown.open) shown.showModal()
    return () => {
      leaves.current = true
      open.splice(open.indexOf(shown), 1)
      for (const tell of listeners) tell()
      shown.close()
    }
  }, [])
  // Its own leaving is nobody's wish to close anything.
  return { dialog, closed: () => !leaves.current && onClose() }
}
