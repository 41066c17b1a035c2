import { useQueryClient } from '@tanstack/react-query'
import { useRef, useState } from 'react'
import { createRoom } from '../../api/admin'
import type { NewRoom as NewRoomBody } from '../../api/types'
import { copyText } from '../../shared/copy'
import { go } from '../../shared/router'
import { Dialog } from '../../ui/Dialog'
import { TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import { keepRoom } from '../queries'
import { text, useSubmit } from '../useSubmit'
import { fromLocal } from './localTime'
import { handOver } from './linkOnce'
import { ProfileField } from './ProfileField'

/** One field and Enter; the viewer link is on the clipboard, and the page says so. */
export function NewRoom({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const [more, setMore] = useState(false)
  const title = useRef<HTMLInputElement>(null)
  const { busy, error, onSubmit } = useSubmit(async (data) => {
    const made = createRoom(bodyOf(data))
    const copied = copyText(made.then((answer) => answer.link?.url ?? answer.room.urls.room))
    const { room, link } = await made
    keepRoom(client, room)
    const onClipboard = await copied
    if (link) handOver(room.id, link.url)
    const what = room.state === 'not-open' ? `${room.title} is made` : `${room.title} is open`
    say(onClipboard ? `${what}. Its viewer link is on your clipboard` : `${what}. Copy its viewer link below`)
    go(`/rooms/${room.id}`)
  })
  return (
    <Dialog title="New room" onClose={onClose}>
      <form className={ui.stack} onSubmit={onSubmit}>
        <label className={ui.field}>
          <span className={ui.hiddenText}>Name of the room</span>
          <input ref={title} className={ui.input} name="title" required autoFocus maxLength={120} placeholder="Northlight – reel 3" autoComplete="off" />
          <span className={ui.hint}>Enter makes it and copies the viewer link.</span>
        </label>
        {more && (
          <>
            <TextField label="Address" name="slug" placeholder="made from the name" autoCapitalize="none" spellCheck={false} />
            <div className={ui.pair}>
              <TextField label="Opens" name="opens_at" type="datetime-local" hint="Empty: at once" />
              <TextField label="Ends" name="expires_at" type="datetime-local" hint="Empty: when you close it" />
            </div>
            <TextField label="Passcode" name="passcode" autoComplete="off" hint="For people who come without a link. Empty: links only." />
            <ProfileField />
            <label className={ui.check}>
              <input type="checkbox" name="watermark" /> Show each viewer’s name over the picture
            </label>
          </>
        )}
        {error !== null && <ProblemNote error={error} />}
        <div className={ui.dialogEnd}>
          {!more && (
            <button type="button" className={ui.button.quiet} onClick={() => setMore(true)}>
              More
            </button>
          )}
          <span className={ui.push} />
          <button type="button" className={ui.button.plain} onClick={onClose}>
            Cancel
          </button>
          <button className={ui.button.primary} disabled={busy}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function bodyOf(data: FormData): NewRoomBody {
  const body: NewRoomBody = { title: text(data, 'title'), link: { name: '', role: 'viewer' } }
  const slug = text(data, 'slug')
  const opens = fromLocal(text(data, 'opens_at'))
  const expires = fromLocal(text(data, 'expires_at'))
  const passcode = text(data, 'passcode')
  if (slug) body.slug = slug
  if (opens) body.opens_at = opens
  if (expires) body.expires_at = expires
  if (passcode) body.passcode = passcode
  const profile = text(data, 'profile')
  if (profile) body.profile = profile
  if (data.get('watermark')) body.watermark = true
  return body
}
