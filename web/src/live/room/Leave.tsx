import { button, primary, textButton } from '../parts.css'
import * as css from './room.css'
import { Sheet } from './Sheet'

interface Props {
  onStay: () => void
  /** Goes out; `forgets` also gives the place up. */
  onLeave: (forgets: boolean) => void
}

/** Asked first: picture and call end here. */
export function Leave({ onStay, onLeave }: Props) {
  return (
    <Sheet title="Leave the room?" onClose={onStay}>
      <p>Picture and call end in this tab. You can come back while the room is open.</p>
      <div className={css.dialogEnd}>
        <button type="button" className={button} onClick={onStay}>
          Stay
        </button>
        <button type="button" className={primary} onClick={() => onLeave(false)}>
          Leave
        </button>
      </div>
      <p className={css.dialogAside}>
        Not your computer?{' '}
        <button type="button" className={textButton} onClick={() => onLeave(true)}>
          Leave, and forget me here
        </button>
      </p>
    </Sheet>
  )
}
