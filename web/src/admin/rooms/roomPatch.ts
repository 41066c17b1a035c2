// From what was typed to what is sent: only what differs. Pure.
import type { Room, RoomPatch } from '../../api/types'
import { moment } from '../../shared/words'
import { fromLocal, toLocal } from './localTime'
import { hereWords } from './people'

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

/** However they were set apart. */
export const networksOf = (data: FormData): string[] => String(data.get('allowed_addresses') ?? '').split(/[\s,]+/).filter(Boolean)

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
  const addresses = networksOf(data)
  if (addresses.join('\n') !== had.allowed_addresses) patch.allowed_addresses = addresses
  if (data.has('watermark') !== room.watermark) patch.watermark = data.has('watermark')
  if (data.has('no_passcode')) patch.passcode = null
  else if (typed('passcode') !== '') patch.passcode = String(data.get('passcode'))
  return patch
}

type Shown = Record<string, string | boolean>

/** What the form of a room shows, field by field. */
export const shownOf = (room: Room): Shown => ({ ...fieldsOf(room), passcode: '', watermark: room.watermark, no_passcode: false })

const controls = (form: HTMLFormElement) => [...form.elements].filter((one): one is HTMLInputElement => 'name' in one && one.name !== '')
const isBox = ({ type }: HTMLInputElement) => type === 'checkbox'

/** What stands in it now. */
export const typedIn = (form: HTMLFormElement): Shown => Object.fromEntries(controls(form).map((one) => [one.name, isBox(one) ? one.checked : one.value]))

/** Fields that still show what they did take the new value; what was typed since stays typed. */
export function rebase(form: HTMLFormElement, before: Shown, after: Shown): void {
  for (const control of controls(form)) {
    const value = after[control.name]
    if (typeof value === 'boolean') control.checked = control.checked === before[control.name] ? value : control.checked
    else if (value !== undefined && control.value === before[control.name]) control.value = value
  }
}

/** What saving does to people who are there: every part of it that cuts, and whom. */
export function saveWords(patch: RoomPatch, room: Room, now: number): string {
  const { people, publishers, viewers } = room.live
  if (people.length + publishers === 0) return 'Nobody is in the room.'
  const cuts: string[] = []
  if (patch.profile !== undefined && publishers + viewers > 0) cuts.push('The encoder is cut and has to start again.')
  if (patch.allowed_addresses != null && patch.allowed_addresses.length > 0) cuts.push('People outside these networks are put out.')
  if (patch.opens_at && Date.parse(patch.opens_at) > now) cuts.push(`The room closes until ${moment(patch.opens_at, now)}.`)
  if (patch.expires_at && Date.parse(patch.expires_at) <= now) cuts.push('The room ends now.')
  if (patch.viewer_cap != null && patch.viewer_cap < viewers) cuts.push(`${viewers} are watching: above ${patch.viewer_cap}, who has to reconnect stays out.`)
  if (cuts.length === 0) return 'Interrupts nobody.'
  return [...cuts, hereWords(people)].filter(Boolean).join(' ')
}
