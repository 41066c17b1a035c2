import { type FormEvent, useState } from 'react'
import { type Problem, problemOf } from '../../api/request'
import type { Visit } from '../../api/types'
import { dot, field, input, label, primary } from '../parts.css'
import { knownName } from '../useSession'
import * as css from './entry.css'

/** Asked once per browser, then remembered. */
export function NameForm({ visit, rename }: { visit: Visit; rename: (name: string) => Promise<void> }) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const name = String(new FormData(event.currentTarget).get('name') ?? '').trim()
    if (name === '') return
    setBusy(true)
    try {
      await rename(name)
    } catch (error) {
      setProblem(problemOf(error))
      setBusy(false)
    }
  }
  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <p className={css.mark}>{visit.invited_by ? `${visit.invited_by} invites you to` : 'You are invited to'}</p>
        <h1 className={css.title}>{visit.title}</h1>
        <form className={css.form} onSubmit={submit}>
          <label className={field}>
            <span className={label}>Your name, as others will see it</span>
            <input className={input} name="name" required autoFocus defaultValue={visit.me.name || knownName()} autoComplete="name" maxLength={60} />
          </label>
          <button className={primary} disabled={busy}>
            {busy ? 'Entering…' : 'Enter the room'}
          </button>
          <p className={css.problem} role="alert">
            {problem && (
              <>
                <span className={dot.error} />
                <span>{`${problem.message}. ${problem.detail}`}</span>
              </>
            )}
          </p>
        </form>
      </div>
    </main>
  )
}
