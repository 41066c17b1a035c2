import { useState } from 'react'
import { CopyButton } from './CopyButton'
import * as css from './ui.css'

/** Dots until asked; copied with one click, seen or not. */
export function Secret({ value, what }: { value: string; what: string }) {
  const [shown, setShown] = useState(false)
  return (
    <span className={css.line}>
      <code className={css.code}>{shown ? value : '••••••••••••'}</code>
      <button type="button" className={css.button.quiet} aria-pressed={shown} aria-label={`${shown ? 'Hide' : 'Show'} ${what}`} onClick={() => setShown(!shown)}>
        {shown ? 'Hide' : 'Show'}
      </button>
      <CopyButton text={value} what={what} />
    </span>
  )
}
