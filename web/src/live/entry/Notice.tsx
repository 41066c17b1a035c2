import { arrive, useTitle } from '../../shared/arrive'
import { useNow } from '../../shared/useNow'
import { countdown } from '../../shared/words'
import { Given } from '../Given'
import type { Words } from '../notices'
import { button } from '../parts.css'
import { useState } from 'react'
import * as css from './entry.css'

interface Props {
  words: Words
  about?: string | null | undefined
  /** Seconds until trying again makes sense. */
  retryAfter?: number | null
  /** Tries again, or goes back in. */
  onAgain: () => void
  onEnter: () => void
}

/** A whole page that says one thing and one next step. */
export function Notice({ words, about, retryAfter, onAgain, onEnter }: Props) {
  useTitle(words.title)
  const [since] = useState(() => Date.now())
  const now = useNow()
  const until = retryAfter ? since + retryAfter * 1000 : 0
  const waits = until > now
  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <p className={css.mark}>
          <Given>{about ?? 'ColourStream'}</Given>
        </p>
        <h1 key={words.title} ref={arrive} tabIndex={-1} className={css.title}>
          {words.title}
        </h1>
        <p className={css.text}>{words.text}</p>
        <div className={css.actions}>
          {words.next === 'enter' ? (
            <button type="button" className={button} onClick={onEnter}>
              Enter with a passcode
            </button>
          ) : (
            <button type="button" className={button} onClick={onAgain} disabled={waits}>
              {waits ? `Try again ${countdown(until, now)}` : words.next === 'back' ? 'Come back' : 'Try again'}
            </button>
          )}
        </div>
      </div>
    </main>
  )
}
