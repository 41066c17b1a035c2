// A room in a row: its dot and the two facts that matter. Pure.
import type { Room } from '../../api/types'
import { count, duration, moment, shortMoment } from '../../shared/words'

export type RoomDot = 'live' | 'open' | 'none' | 'warning'

export function roomDot(room: Room): RoomDot {
  if (room.state === 'live') return 'live'
  if (room.issues.some((issue) => issue.severity === 'error')) return 'warning'
  return room.state === 'closed' || room.state === 'expired' || room.archived ? 'none' : 'open'
}

/** `today 18:00`, `tomorrow 07:37`, `Fri 18:00`, `3 Mar`: never without its day. */
export function dayMoment(time: string, now: number): string {
  const days = daysFrom(new Date(now), new Date(time))
  return days === 0 || days === 1 ? moment(time, now) : shortMoment(time, now)
}

const daysFrom = (from: Date, to: Date) => Math.round((startOfDay(to) - startOfDay(from)) / 86_400_000)
const startOfDay = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime()

export function roomFacts(room: Room, now: number): string {
  const ends = room.expires_at ? `ends ${dayMoment(room.expires_at, now)}` : null
  const here = room.live.people.length
  switch (room.archived ? 'archived' : room.state) {
    case 'archived':
      return 'archived'
    case 'live': {
      const since = room.live.since ? `live ${duration(now - Date.parse(room.live.since))}` : 'live'
      return join(since, `${room.live.viewers} watching`, ends)
    }
    case 'waiting':
      return join('open, no stream yet', here > 0 ? count(here, 'person waits', 'people wait') : null, ends)
    case 'not-open':
      return room.opens_at ? join(`opens ${dayMoment(room.opens_at, now)}`, here > 0 ? count(here, 'person waits', 'people wait') : null, ends) : 'not open yet'
    case 'closed':
      return 'closed'
    case 'expired':
      return room.expires_at ? `ended ${dayMoment(room.expires_at, now)}` : 'ended'
    default:
      return ''
  }
}

const join = (...parts: (string | null)[]) => parts.filter((part) => part !== null).join(' · ')

/** What the list finds: title, slug, owner. */
export const fits = (room: Room, wanted: string) =>
  [room.title, room.slug, room.owner].some((text) => text.toLowerCase().includes(wanted.trim().toLowerCase()))

const ORDER: Record<Room['state'], number> = { live: 0, waiting: 1, 'not-open': 2, closed: 3, expired: 4 }

/** Live first, then what opens next, then what is over. */
export const byUrgency = (a: Room, b: Room): number =>
  ORDER[a.state] - ORDER[b.state] ||
  (a.state === 'not-open' ? (a.opens_at ?? '').localeCompare(b.opens_at ?? '') : b.created_at.localeCompare(a.created_at))
