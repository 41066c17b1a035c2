import { type FormEvent, useState } from 'react'
import { type Problem, problemOf } from '../../api/request'
import type { Visit } from '../../api/types'
import { useTitle } from '../../shared/arrive'
import { markField } from '../../shared/markField'
import { sentences } from '../../shared/words'
import { Given } from '../Given'
import { dot, field, input, label, primary } from '../parts.css'
import { knownName } from '../useSession'
import * as css from './entry.css'

/** Asked once per browser, then remembered. */
export function NameForm({ visit, rename }: { visit: Visit; rename: (name: string) => Promise<void> }) {
  useTitle(visit.title)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const name = String(new FormData(form).get('name') ?? '').trim()
    if (name === '') return
    setBusy(true)
    try {
      await rename(name)
    } catch (error) {
      const refused = problemOf(error)
      markField(form, refused.field, 'name-problem')
      setProblem(refused)
      setBusy(false)
    }
  }
  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <p className={css.mark}>
          {visit.invited_by ? (
            <>
              <Given>{visit.invited_by}</Given> invites you to
            </>
          ) : (
            'You are invited to'
          )}
        </p>
        <h1 className={css.title}>
          <Given>{visit.title}</Given>
        </h1>
        <form className={css.form} onSubmit={submit}>
          <label className={field}>
            <span className={label}>Your name, as others will see it</span>
            <input className={input} name="name" required autoFocus defaultValue={visit.me.name || knownName()} autoComplete="name" maxLength={60} />
          </label>
          <button className={primary} disabled={busy}>
            {busy ? 'Entering…' : 'Enter the room'}
          </button>
          <p className={css.problem} id="name-problem" role="alert">
            {problem && (
              <>
                <span className={dot.error} />
                <span>{sentences(problem.message, problem.detail)}</span>
              </>
            )}
          </p>
        </form>
      </div>
    </main>
  )
}
