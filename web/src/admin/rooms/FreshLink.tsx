import { useState } from 'react'
import type { Room } from '../../api/types'
import { CopyButton } from '../../ui/CopyButton'
import * as ui from '../../ui/ui.css'
import { forgetFresh, freshLink } from './linkOnce'

/** The link just made, while it can still be shown. */
export function FreshLink({ room }: { room: Room }) {
  const [url, setUrl] = useState(() => freshLink(room.id))
  if (url === null) return null
  return (
    <div className={ui.note.good}>
      <p>The viewer link, shown only now. Send it to one person or to everybody; you can revoke it below.</p>
      <p className={ui.row}>
        <code className={ui.code}>{url}</code>
        <CopyButton text={url} what="Viewer link" />
        <button
          type="button"
          className={ui.button.quiet}
          onClick={() => {
            forgetFresh(room.id)
            setUrl(null)
          }}
        >
          Done
        </button>
      </p>
    </div>
  )
}
