import { problemOf } from '../api/request'
import * as css from './ui.css'

/** An error in words: what, and what to do. */
export function ProblemNote({ id, error, onAgain }: { id?: string; error: unknown; onAgain?: () => void }) {
  const problem = problemOf(error)
  return (
    <div id={id} className={css.note.bad} role="alert">
      <p>{problem.message}.</p>
      {problem.detail && <p className={css.quiet}>{problem.detail}</p>}
      {onAgain && (
        <button type="button" className={css.button.quiet} onClick={onAgain}>
          Try again
        </button>
      )}
    </div>
  )
}
