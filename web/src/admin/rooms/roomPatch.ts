// From what was typed to what is sent: only what differs. Pure.
import type { Room, RoomPatch } from '../../api/types'
import { fromLocal, toLocal } from './localTime'

export const fieldsOf = (room: Room) => ({
  title: room.title,
  slug: room.slug,
  opens: toLocal(room.opens_at),
  expires: toLocal(room.expires_at),
  cap: room.viewer_cap ?? '',
  addresses: room.allowed_addresses.join('\n'),
})

export function patchOf(room: Room, data: FormData): RoomPatch {
  const had = fieldsOf(room)
  const typed = (name: string) => String(data.get(name) ?? '').trim()
  const patch: RoomPatch = {}
  if (typed('title') !== had.title) patch.title = typed('title')
  if (typed('slug') !== had.slug) patch.slug = typed('slug')
  if (typed('profile') !== room.profile) patch.profile = typed('profile')
  if (typed('opens_at') !== had.opens) patch.opens_at = fromLocal(typed('opens_at'))
  if (typed('expires_at') !== had.expires) patch.expires_at = fromLocal(typed('expires_at'))
  if (typed('viewer_cap') !== String(had.cap)) patch.viewer_cap = typed('viewer_cap') === '' ? null : Number(typed('viewer_cap'))
  const addresses = typed('allowed_addresses').split(/[\s,]+/).filter(Boolean)
  if (addresses.join('\n') !== had.addresses) patch.allowed_addresses = addresses
  if (data.has('watermark') !== room.watermark) patch.watermark = data.has('watermark')
  if (data.has('no_passcode')) patch.passcode = null
  else if (typed('passcode') !== '') patch.passcode = String(data.get('passcode'))
  return patch
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
