// What could not be put on the clipboard, selected, to be copied by hand. Asked
// for from anywhere, as a toast is, but it stays until somebody is done with it.
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { Dialog } from './Dialog'
import * as css from './ui.css'

interface Text {
  /** What it is: `The viewer link of Northlight`. */
  what: string
  text: string
  /** Nobody can ask for it again. */
  once?: boolean
}

let shown: Text | null = null
const listeners = new Set<() => void>()

export function copyByHand(text: Text | null): void {
  shown = text
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export function ByHand() {
  const text = useSyncExternalStore(subscribe, () => shown)
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    field.current?.focus()
    field.current?.select()
  }, [text])
  if (text === null) return null
  const close = () => copyByHand(null)
  return (
    <Dialog key={text.text} title="Copy it by hand" onClose={close} keep>
      <p>
        Your browser keeps the clipboard shut. {text.what}
        {text.once ? ', shown only now' : ''}:
      </p>
      <textarea ref={field} className={css.handed} aria-label={text.what} rows={3} readOnly defaultValue={text.text} />
      <div className={css.dialogEnd}>
        <button type="button" className={css.button.primary} onClick={close}>
          Done
        </button>
      </div>
    </Dialog>
  )
}
