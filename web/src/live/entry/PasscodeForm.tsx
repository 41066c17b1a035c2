import { type FormEvent, useState } from 'react'
import { type Problem, problemOf } from '../../api/request'
import { useTitle } from '../../shared/arrive'
import { useNow } from '../../shared/useNow'
import { markField } from '../../shared/markField'
import { countdown, sentences } from '../../shared/words'
import { noticeFor } from '../notices'
import { dot, field, input, label, primary } from '../parts.css'
import { knownName } from '../useSession'
import * as css from './entry.css'

interface Props {
  slug: string | null
  enter: (slug: string, passcode: string, name: string) => Promise<void>
}

/** The door for people without a link: room, passcode, name. */
export function PasscodeForm({ slug, enter }: Props) {
  useTitle('Enter a room')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const [blockedUntil, setBlockedUntil] = useState(0)
  const now = useNow()
  const blocked = blockedUntil > now

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const data = new FormData(form)
    const text = (name: string) => String(data.get(name) ?? '').trim()
    setBusy(true)
    setProblem(null)
    try {
      await enter(roomName(text('room')), String(data.get('passcode') ?? ''), text('name'))
    } catch (error) {
      const refused = problemOf(error)
      markField(form, refused.type === 'passcode-wrong' ? 'passcode' : refused.field, 'entry-problem')
      setProblem(refused)
      if (refused.retryAfter) setBlockedUntil(Date.now() + refused.retryAfter * 1000)
      setBusy(false)
    }
  }

  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <p className={css.mark}>ColourStream</p>
        <h1 className={css.title}>Enter a room</h1>
        <form className={css.form} onSubmit={submit} aria-describedby="entry-problem">
          <label className={field}>
            <span className={label}>Room</span>
            <input className={input} name="room" required defaultValue={slug ?? ''} autoFocus={slug === null} autoCapitalize="none" autoCorrect="off" spellCheck={false} placeholder="northlight" maxLength={200} />
          </label>
          <label className={field}>
            <span className={label}>Passcode</span>
            <input className={input} name="passcode" type="password" required autoFocus={slug !== null} autoComplete="off" maxLength={200} />
          </label>
          <label className={field}>
            <span className={label}>Your name, as others will see it</span>
            <input className={input} name="name" required defaultValue={knownName()} autoComplete="name" maxLength={60} />
          </label>
          <button className={primary} disabled={busy || blocked}>
            {blocked ? `Try again ${countdown(blockedUntil, now)}` : busy ? 'Entering…' : 'Enter'}
          </button>
          <p className={css.problem} id="entry-problem" role="alert">
            {problem && (
              <>
                <span className={dot.error} />
                <span>{problemLine(problem)}</span>
              </>
            )}
          </p>
        </form>
        <p className={css.quiet}>Have a link? Open it from your message: it needs no passcode.</p>
      </div>
    </main>
  )
}

function problemLine(problem: Problem): string {
  if (problem.type === 'passcode-wrong') return 'Room and passcode do not match. Check both; capitals matter.'
  if (problem.field) return sentences(problem.message, problem.detail)
  const words = noticeFor(problem.type)
  return `${words.title}. ${words.text}`
}

/** People paste whole addresses. */
export function roomName(typed: string): string {
  const text = typed.trim()
  const path = /^https?:\/\/[^/]+\/([^/?#]+)/i.exec(text)
  return (path?.[1] ?? text).replace(/^\/+/, '').toLowerCase()
}
