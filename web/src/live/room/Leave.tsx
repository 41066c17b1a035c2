import { useState } from 'react'
import { type Problem, problemOf } from '../../api/request'
import { button, dot, primary, textButton } from '../parts.css'
import * as css from './room.css'
import { Sheet } from './Sheet'

interface Props {
  onStay: () => void
  onLeave: () => void
  /** Goes out and gives the place up; refused while the server cannot be asked. */
  onGiveUp: () => Promise<void>
}

/** Asked first: picture and call end here. */
export function Leave({ onStay, onLeave, onGiveUp }: Props) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const giveUp = () => {
    setBusy(true)
    setProblem(null)
    onGiveUp().catch((error: unknown) => {
      setProblem(problemOf(error))
      setBusy(false)
    })
  }
  return (
    <Sheet title="Leave the room?" onClose={onStay}>
      <p>Picture and call end in this tab. You can come back while the room is open.</p>
      <div className={css.dialogEnd}>
        <button type="button" className={button} onClick={onStay}>
          Stay
        </button>
        <button type="button" className={primary} onClick={onLeave}>
          Leave
        </button>
      </div>
      <p className={css.dialogAside}>
        Not your computer?{' '}
        <button type="button" className={textButton} disabled={busy} onClick={giveUp}>
          {busy ? 'Forgetting…' : 'Leave, and forget me here'}
        </button>
      </p>
      {problem && (
        <p className={css.dialogAside} role="alert">
          <span className={dot.error} /> This browser still has its place. {problem.message}. {problem.detail}
        </p>
      )}
    </Sheet>
  )
}
