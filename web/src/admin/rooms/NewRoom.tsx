import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { createRoom } from '../../api/admin'
import type { NewRoom as NewRoomBody } from '../../api/types'
import { copyText } from '../../shared/copy'
import { go } from '../../shared/router'
import { Dialog } from '../../ui/Dialog'
import { Field, TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import * as ui from '../../ui/ui.css'
import { keepRoom } from '../queries'
import { text, useSubmit } from '../useSubmit'
import { fromLocal } from './localTime'
import { handOver } from './linkOnce'
import { networksOf } from './roomPatch'
import { ProfileField } from './ProfileField'

/** One field and Enter; the viewer link is on the clipboard, and the page says so. */
export function NewRoom({ onClose }: { onClose: () => void }) {
  const client = useQueryClient()
  const [more, setMore] = useState(false)
  const { busy, error, note, onSubmit } = useSubmit(async (data) => {
    const made = createRoom(bodyOf(data))
    const copied = copyText(made.then((answer) => answer.link?.url ?? answer.room.urls.room))
    const { room, link } = await made
    keepRoom(client, room)
    const onClipboard = await copied
    if (link) handOver(room.id, { url: link.url, copied: onClipboard })
    go(`/rooms/${room.id}`)
  })
  return (
    <Dialog title="New room" onClose={onClose}>
      <form className={ui.stack} onSubmit={onSubmit}>
        <label className={ui.field}>
          <span className={ui.hiddenText}>Name of the room</span>
          <input className={ui.input} name="title" required autoFocus maxLength={120} placeholder="Northlight – reel 3" autoComplete="off" />
          <span className={ui.hint}>Enter makes it and copies the viewer link.</span>
        </label>
        {more && (
          <>
            {/* The button that was pressed is gone: the focus goes on to what it brought. */}
            <TextField label="Address" name="slug" autoFocus placeholder="made from the name" autoCapitalize="none" spellCheck={false} />
            <div className={ui.pair}>
              <TextField label="Opens" name="opens_at" type="datetime-local" hint="Empty: at once" />
              <TextField label="Ends" name="expires_at" type="datetime-local" hint="Empty: when you close it" />
            </div>
            <TextField label="Passcode" name="passcode" autoComplete="off" hint="For people who come without a link. Empty: links only." />
            <ProfileField />
            <TextField label="Most viewers" name="viewer_cap" type="number" min={1} max={10000} placeholder="no limit" />
            <Field label="Allowed addresses" hint="One network a line, such as 203.0.113.0/24. Empty: from everywhere.">
              <textarea className={ui.input} name="allowed_addresses" rows={2} spellCheck={false} />
            </Field>
            <label className={ui.check}>
              <input type="checkbox" name="watermark" /> Show each viewer’s name over the picture
            </label>
          </>
        )}
        {error !== null && <ProblemNote id={note} error={error} />}
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
  const cap = text(data, 'viewer_cap')
  if (cap) body.viewer_cap = Number(cap)
  const networks = networksOf(data)
  if (networks.length > 0) body.allowed_addresses = networks
  if (data.get('watermark')) body.watermark = true
  return body
}
