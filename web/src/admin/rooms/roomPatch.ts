// From what was typed to what is sent: only what differs. Pure.
import type { Room, RoomPatch } from '../../api/types'
import { fromLocal, toLocal } from './localTime'

/** The text fields of the form, by their names. */
export const fieldsOf = (room: Room) => ({
  title: room.title,
  slug: room.slug,
  profile: room.profile,
  opens_at: toLocal(room.opens_at),
  expires_at: toLocal(room.expires_at),
  viewer_cap: room.viewer_cap == null ? '' : String(room.viewer_cap),
  allowed_addresses: room.allowed_addresses.join('\n'),
})

export function patchOf(room: Room, data: FormData): RoomPatch {
  const had = fieldsOf(room)
  const typed = (name: string) => String(data.get(name) ?? '').trim()
  const differs = (name: keyof typeof had) => typed(name) !== had[name]
  const patch: RoomPatch = {}
  if (differs('title')) patch.title = typed('title')
  if (differs('slug')) patch.slug = typed('slug')
  if (differs('profile')) patch.profile = typed('profile')
  if (differs('opens_at')) patch.opens_at = fromLocal(typed('opens_at'))
  if (differs('expires_at')) patch.expires_at = fromLocal(typed('expires_at'))
  if (differs('viewer_cap')) patch.viewer_cap = typed('viewer_cap') === '' ? null : Number(typed('viewer_cap'))
  const addresses = typed('allowed_addresses').split(/[\s,]+/).filter(Boolean)
  if (addresses.join('\n') !== had.allowed_addresses) patch.allowed_addresses = addresses
  if (data.has('watermark') !== room.watermark) patch.watermark = data.has('watermark')
  if (data.has('no_passcode')) patch.passcode = null
  else if (typed('passcode') !== '') patch.passcode = String(data.get('passcode'))
  return patch
}

/** Fields nobody touched take the new value; what was typed stays typed. */
export function rebase(form: HTMLFormElement, before: Room, after: Room): void {
  const had = fieldsOf(before)
  for (const [name, value] of Object.entries(fieldsOf(after))) {
    const control = form.elements.namedItem(name) as HTMLInputElement | null
    if (control && control.value === had[name as keyof typeof had]) control.value = value
  }
  const mark = form.elements.namedItem('watermark') as HTMLInputElement | null
  if (mark && mark.checked === before.watermark) mark.checked = after.watermark
}

/** What saving does to people who are there. */
export function saveWords(patch: RoomPatch, room: Room): string {
  const people = room.live.publishers + room.live.viewers + room.live.callers > 0
  if (!people) return 'Nobody is in the room.'
  const watching = `${room.live.viewers} watching`
  if (patch.profile !== undefined) return `The encoder is cut and has to start again (${watching}).`
  if (patch.allowed_addresses !== undefined) return `People outside these networks are put out (${watching}).`
  if (patch.opens_at && Date.parse(patch.opens_at) > Date.now()) return `The room closes until then (${watching}).`
  if (patch.expires_at && Date.parse(patch.expires_at) <= Date.now()) return `The room ends now (${watching}).`
  return 'Interrupts nobody.'
}
