import { type ReactNode, useEffect, useId, useRef } from 'react'
import * as css from './room.css'

/** A native dialog: focus, Escape and the backdrop come with it. */
export function Sheet({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal()
  }, [])
  // The sheet fills the dialog, so that the dialog itself is hit beside it
  // alone. Pressed and let go there: marking text out of the sheet is no wish to close.
  const pressedBeside = useRef(false)
  return (
    <dialog
      ref={dialog}
      className={css.dialog}
      aria-labelledby={id}
      onClose={onClose}
      onPointerDown={(event) => {
        pressedBeside.current = event.target === dialog.current
      }}
      onClick={(event) => pressedBeside.current && event.target === dialog.current && onClose()}
    >
      <div className={css.sheet}>
        <h2 className={css.dialogTitle} id={id}>
          {title}
        </h2>
        {children}
      </div>
    </dialog>
  )
}
