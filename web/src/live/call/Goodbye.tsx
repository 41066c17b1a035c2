import * as css from '../entry/entry.css'

/** Seen for a blink inside the call frame, or alone in a tab of its own. */
export function Goodbye() {
  if (window.parent !== window) return null
  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <h1 className={css.title}>You left the call</h1>
        <p className={css.text}>You can close this tab, or open your link again.</p>
      </div>
    </main>
  )
}
