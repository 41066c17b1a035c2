import { type ReactNode, useId, useRef } from 'react'
import { useModal } from '../../shared/useModal'
import * as css from './room.css'

/** A native dialog: focus, Escape and the backdrop come with it. */
export function Sheet({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const { dialog, closed } = useModal(onClose)
  const id = useId()
  // The sheet fills the dialog, so that the dialog itself is hit beside it
  // alone. Pressed and let go there: marking text out of the sheet is no wish to close.
  const pressedBeside = useRef(false)
  return (
    <dialog
      ref={dialog}
      className={css.dialog}
      aria-labelledby={id}
      onClose={closed}
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
