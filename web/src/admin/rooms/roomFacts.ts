// A room in a row: its dot and the two facts that matter. Pure.
import type { Room } from '../../api/types'
import { count, duration, shortMoment } from '../../shared/words'

export type RoomDot = 'live' | 'open' | 'none' | 'warning'

export function roomDot(room: Room): RoomDot {
  if (room.state === 'live') return 'live'
  if (room.issues.some((issue) => issue.severity === 'error')) return 'warning'
  return room.state === 'closed' || room.state === 'expired' || room.archived ? 'none' : 'open'
}

export function roomFacts(room: Room, now: number): string {
  const ends = room.expires_at ? `ends ${shortMoment(room.expires_at, now)}` : null
  switch (room.archived ? 'archived' : room.state) {
    case 'archived':
      return 'archived'
    case 'live': {
      const since = room.live.since ? `live ${duration(now - Date.parse(room.live.since))}` : 'live'
      return join(since, `${room.live.viewers} watching`, ends)
    }
    case 'waiting':
      return join('open, no stream yet', room.live.viewers > 0 ? count(room.live.viewers, 'person waits', 'people wait') : null, ends)
    case 'not-open':
      return room.opens_at ? join(`opens ${shortMoment(room.opens_at, now)}`, ends) : 'not open yet'
    case 'closed':
      return 'closed'
    case 'expired':
      return room.expires_at ? `ended ${shortMoment(room.expires_at, now)}` : 'ended'
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
