import { copyText } from '../shared/copy'
import { copyByHand } from './ByHand'
import { say } from './Toasts'
import * as css from './ui.css'

export function CopyButton({ text, what, children = 'Copy', look = 'quiet' }: { text: string; what: string; children?: string; look?: 'quiet' | 'plain' }) {
  const copy = async () => {
    if (await copyText(text)) say(`${what} copied`)
    else copyByHand({ what, text })
  }
  return (
    <button type="button" className={css.button[look]} aria-label={look === 'plain' ? undefined : `${children} ${what.charAt(0).toLowerCase()}${what.slice(1)}`} onClick={() => void copy()}>
      {children}
    </button>
  )
}
