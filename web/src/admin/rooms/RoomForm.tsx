import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { changeRoom } from '../../api/admin'
import { problemOf } from '../../api/request'
import type { Room } from '../../api/types'
import { serverNow } from '../../shared/clock'
import { Field, TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keepRoom, useRoom } from '../queries'
import { useSubmit } from '../useSubmit'
import { ProfileField } from './ProfileField'
import { fieldsOf, patchOf, rebase, saveWords, shownOf, typedIn } from './roomPatch'

/**
 * Everything that can be set. What is shown belongs to the etag the form was
 * opened with, so a room changed elsewhere is never overwritten unseen.
 */
export function RoomForm({ room }: { room: Room }) {
  const form = useRef<HTMLFormElement>(null)
  const [base, setBase] = useState(room)
  const [draft, setDraft] = useState<FormData | null>(null)
  // The etag that was refused; loading theirs brings another one.
  const [refused, setRefused] = useState<string | null>(null)
  const client = useQueryClient()
  const fresh = useRoom(room.id)
  const patch = draft ? patchOf(base, draft) : {}
  const dirty = Object.keys(patch).length > 0

  /** To `next`, from what was shown: what differs from that was typed since. */
  const follow = (next: Room, shown = shownOf(base)) => {
    if (form.current) {
      rebase(form.current, shown, shownOf(next))
      setDraft(new FormData(form.current))
    }
    setBase(next)
  }
  // As long as nothing was typed, the form follows what others change.
  useEffect(() => {
    if (!dirty && room.etag !== base.etag) follow(room)
  })

  const { busy, error, note, onSubmit } = useSubmit(async (data, sending) => {
    const sent = typedIn(sending)
    try {
      const changed = await changeRoom(base, patchOf(base, data))
      keepRoom(client, changed)
      follow(changed, sent)
      say('Saved')
    } catch (problem) {
      setRefused(base.etag)
      throw problem
    }
  })
  const changedMeanwhile = error !== null && problemOf(error).status === 412
  const conflict = changedMeanwhile && refused === base.etag

  const takeTheirs = async (keepMine: boolean) => {
    const { data } = await fresh.refetch()
    if (data) follow(data, keepMine ? undefined : typedIn(form.current as HTMLFormElement))
  }
  const discard = () => follow(base, typedIn(form.current as HTMLFormElement))

  return (
    <section className={css.section}>
      <h2 className={css.h2}>Settings of the room</h2>
      <form ref={form} className={ui.stack} onSubmit={onSubmit} onInput={(event) => setDraft(new FormData(event.currentTarget))}>
        <RoomFields room={base} />
        {conflict ? (
          <div className={ui.note.warning} role="alert">
            <p>Somebody changed this room meanwhile. Your changes are not saved yet.</p>
            <p className={ui.row}>
              <button type="button" className={ui.button.plain} onClick={() => void takeTheirs(true)}>
                Load theirs, keep what I typed
              </button>
              <button type="button" className={ui.button.quiet} onClick={() => void takeTheirs(false)}>
                Discard mine
              </button>
            </p>
          </div>
        ) : (
          error !== null && !changedMeanwhile && <ProblemNote id={note} error={error} />
        )}
        <div className={ui.row} style={{ minHeight: 40 }}>
          <button className={ui.button.primary} disabled={busy || !dirty || conflict}>
            Save
          </button>
          {dirty && (
            <button type="button" className={ui.button.quiet} onClick={discard}>
              Undo
            </button>
          )}
          <span className={ui.quiet}>{dirty ? saveWords(patch, room, serverNow()) : ''}</span>
        </div>
      </form>
    </section>
  )
}

function RoomFields({ room }: { room: Room }) {
  const saved = fieldsOf(room)
  return (
    <>
      <div className={ui.grid}>
        <TextField label="Name" name="title" required maxLength={120} defaultValue={saved.title} />
        <TextField label="Address" name="slug" required maxLength={60} defaultValue={saved.slug} autoCapitalize="none" spellCheck={false} hint="The old one leads here for a while." />
        <TextField label="Opens" name="opens_at" type="datetime-local" defaultValue={saved.opens_at} hint="Empty: open at once" />
        <TextField label="Ends" name="expires_at" type="datetime-local" defaultValue={saved.expires_at} hint="Empty: when you close it" />
        <TextField label={room.has_passcode ? 'New passcode' : 'Passcode'} name="passcode" type="password" autoComplete="new-password" placeholder={room.has_passcode ? 'unchanged' : 'none: links only'} hint="For people who come without a link." />
        <TextField label="Most viewers" name="viewer_cap" type="number" min={1} max={10000} defaultValue={saved.viewer_cap} placeholder="no limit" />
        <ProfileField value={saved.profile} />
        <Field label="Allowed addresses" hint="One network a line, such as 203.0.113.0/24. Empty: from everywhere.">
          <textarea className={ui.input} name="allowed_addresses" rows={2} defaultValue={saved.allowed_addresses} spellCheck={false} />
        </Field>
      </div>
      <div className={ui.row}>
        <label className={ui.check}>
          <input type="checkbox" name="watermark" defaultChecked={room.watermark} /> Show each viewer’s name over the picture
        </label>
        {room.has_passcode && (
          <label className={ui.check}>
            <input type="checkbox" name="no_passcode" /> Remove the passcode
          </label>
        )}
      </div>
    </>
  )
}
