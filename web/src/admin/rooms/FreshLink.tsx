import { useState } from 'react'
import type { Room } from '../../api/types'
import { CopyButton } from '../../ui/CopyButton'
import * as ui from '../../ui/ui.css'
import { forgetFresh, freshLink } from './linkOnce'

/** The link just made, while it can still be shown. */
export function FreshLink({ room }: { room: Room }) {
  const [fresh, setFresh] = useState(() => freshLink(room.id))
  if (fresh === null) return null
  const { url, copied } = fresh
  return (
    <div className={ui.note.good}>
      <p role="status">{copied ? 'The viewer link is on your clipboard, and shown only now.' : 'The viewer link, shown only now: your browser keeps the clipboard shut.'} Send it to one person or to everybody; you can revoke it below.</p>
      <p className={ui.row}>
        <code className={ui.code}>{url}</code>
        <CopyButton text={url} what="Viewer link" />
        <button
          type="button"
          className={ui.button.quiet}
          onClick={() => {
            forgetFresh(room.id)
            setFresh(null)
          }}
        >
          Done
        </button>
      </p>
    </div>
  )
}
