import { type ReactNode, useEffect, useId, useRef } from 'react'
import * as css from './ui.css'

/** A native dialog: focus, Escape and the backdrop come with it. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal()
  }, [])
  return (
    <dialog ref={dialog} className={css.dialog} aria-labelledby={id} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <h2 className={css.dialogTitle} id={id}>
        {title}
      </h2>
      <div className={css.dialogBody}>{children}</div>
    </dialog>
  )
}
