import { type PointerEvent, type ReactNode, useId } from 'react'
import { useModal } from '../shared/useModal'
import * as css from './ui.css'

interface Props {
  title: string
  onClose: () => void
  /** Holds something that is shown only now: a press beside it closes nothing. */
  keep?: boolean
  children: ReactNode
}

/**
 * A native dialog: focus and Escape come with it. A press that begins on the
 * backdrop closes it, unless something would be lost by that.
 */
export function Dialog({ title, onClose, keep = false, children }: Props) {
  const { dialog, closed } = useModal(onClose)
  const id = useId()
  const press = (event: PointerEvent<HTMLDialogElement>) => {
    if (event.target === event.currentTarget && !keep && !isTyped(event.currentTarget)) onClose()
  }
  return (
    <dialog ref={dialog} className={css.dialog} aria-labelledby={id} onClose={closed} onPointerDown={press}>
      <div className={css.dialogInside}>
        <h2 className={css.dialogTitle} id={id}>
          {title}
        </h2>
        <div className={css.dialogBody}>{children}</div>
      </div>
    </dialog>
  )
}

/** Whether a form in it holds what somebody typed. */
const isTyped = (dialog: HTMLElement): boolean =>
  [...dialog.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('input, textarea')].some((field) => field.value !== field.defaultValue)
