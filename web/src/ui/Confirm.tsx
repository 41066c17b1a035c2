import { type ReactNode, useEffect, useRef, useState } from 'react'
import { problemOf } from '../api/request'
import { Dialog } from './Dialog'
import { ProblemNote } from './ProblemNote'
import { sayProblem } from './Toasts'
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
  const gone = useRef(false)
  useEffect(() => {
    gone.current = false
    return () => {
      gone.current = true
    }
  }, [])
  const run = async () => {
    setBusy(true)
    setProblem(null)
    try {
      await question.run()
      onClose()
    } catch (error) {
      // What was begun goes on behind a closed dialog; how it ended is told all the same.
      if (gone.current) return sayProblem(error)
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
          {busy ? 'Close' : 'Cancel'}
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
  const [question, setQuestion] = useState<Question | null>(null)
  const number = useRef(0)
  const ask = (next: Question | null) => {
    number.current += 1
    setQuestion(next)
  }
  // An answer that comes late closes its own question, not the one that is asked now.
  const close = () => setQuestion((now) => (now === question ? null : now))
  return [question && <Confirm key={number.current} question={question} onClose={close} />, ask]
}
