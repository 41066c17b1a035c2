import { type ReactNode, useState } from 'react'
import { problemOf } from '../api/request'
import { Dialog } from './Dialog'
import { ProblemNote } from './ProblemNote'
import * as css from './ui.css'

export interface Question {
  title: string
  /** Whom it interrupts, what is lost, what stays. */
  body: ReactNode
  /** The verb on the button. */
  verb: string
  danger?: boolean
  run: () => Promise<unknown>
}

/** Says what will happen before it happens, and what went wrong if it did not. */
export function Confirm({ question, onClose }: { question: Question; onClose: () => void }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<unknown>(null)
  const run = async () => {
    setBusy(true)
    try {
      await question.run()
      onClose()
    } catch (error) {
      setProblem(problemOf(error))
      setBusy(false)
    }
  }
  return (
    <Dialog title={question.title} onClose={onClose}>
      <div>{question.body}</div>
      {problem !== null && <ProblemNote error={problem} />}
      <div className={css.dialogEnd}>
        <button type="button" className={css.button.plain} onClick={onClose} autoFocus>
          Cancel
        </button>
        <button type="button" className={question.danger ? css.button.dangerNow : css.button.primary} disabled={busy} onClick={() => void run()}>
          {question.verb}
        </button>
      </div>
    </Dialog>
  )
}

/** One question at a time; `ask(null)` takes it back. */
export function useConfirm(): [ReactNode, (question: Question | null) => void] {
  const [question, ask] = useState<Question | null>(null)
  return [question && <Confirm question={question} onClose={() => ask(null)} />, ask]
}
