import { copyText } from '../shared/copy'
import { say } from './Toasts'
import * as css from './ui.css'

export function CopyButton({ text, what, children = 'Copy' }: { text: string; what: string; children?: string }) {
  const copy = async () => {
    const done = await copyText(text)
    say(done ? `${what} copied` : `Your browser keeps the clipboard shut: select the text and copy it by hand`)
  }
  return (
    <button type="button" className={css.button.quiet} aria-label={`Copy ${what.charAt(0).toLowerCase()}${what.slice(1)}`} onClick={() => void copy()}>
      {children}
    </button>
  )
}
