import { apply, setMode } from '../../api/admin'
import type { Issue, Status } from '../../api/types'
import type { Question } from '../../ui/Confirm'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import { remedyFor, whomApplyInterrupts } from './remedy'
import * as css from './stack.css'

const NOTE = { error: ui.note.bad, warning: ui.note.warning, notice: ui.note.plain }

interface Props {
  issues: Issue[]
  status?: Status
  /** Given where the reader may act. */
  ask?: ((question: Question | null) => void) | undefined
}

/** A sentence, a cause and a button. */
export function IssueList({ issues, status, ask }: Props) {
  return (
    <ul className={ui.stack} aria-label="Issues">
      {issues.map((issue) => (
        <li key={`${issue.code} ${issue.subject}`} className={NOTE[issue.severity]}>
          <div className={css.issue}>
            <div>
              <p>{issue.what}</p>
              <p className={ui.quiet}>
                {issue.why} {issue.fix}
              </p>
            </div>
            {status && ask && <Fix issue={issue} status={status} ask={ask} />}
          </div>
        </li>
      ))}
    </ul>
  )
}

function Fix({ issue, status, ask }: { issue: Issue; status: Status; ask: (question: Question | null) => void }) {
  const remedy = remedyFor(issue)
  if (remedy === null) return null
  const run = () => {
    if (remedy.act === 'apply-now') {
      ask({ title: `${remedy.verb}?`, body: whomApplyInterrupts(status), verb: remedy.verb, run: () => apply(true).then(() => say('Trying again')) })
    } else {
      const act = remedy.act === 'resume' ? setMode('heal') : apply(false)
      act.then(() => say(remedy.act === 'resume' ? 'Resumed' : 'Looking again'), (error: Error) => say(error.message))
    }
  }
  return (
    <button type="button" className={ui.button.plain} onClick={run}>
      {remedy.verb}
    </button>
  )
}
