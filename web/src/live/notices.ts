// The calm words of every state a person can meet, in one place. Each says
// what is and what to do next.

import type { Visit } from '../api/types'
import type { Fallback, Phase } from './player/keeper'

export interface Words {
  title: string
  text: string
  /** What the one button offers. */
  next: 'enter' | 'again' | 'back'
}

const asking = (host: string | null | undefined) => (host ? `Ask ${host}` : 'Ask whoever invited you')

/** Words for a problem type, or for the reason of an `ended` event. */
export function noticeFor(type: string, host?: string | null): Words {
  switch (type) {
    case 'link-unknown':
      return { title: 'This link opens nothing', text: 'It may be incomplete. Open it again from the message, or ask for a new one.', next: 'enter' }
    case 'link-expired':
      return { title: 'This link has ended', text: `${asking(host)} for a new one.`, next: 'enter' }
    case 'link-revoked':
      return { title: 'This link was withdrawn', text: `${asking(host)} for a new one.`, next: 'enter' }
    case 'link-used-up':
      return { title: 'This link was already used', text: `It opens the room only so many times. ${asking(host)} for another.`, next: 'enter' }
    case 'room-expired':
      return { title: 'This room has ended', text: `Thank you for watching. If you expected it to go on, ${lower(asking(host))}.`, next: 'again' }
    case 'room-closed':
      return { title: 'The room is closed', text: `If you expected it to be open, ${lower(asking(host))}, then try again.`, next: 'again' }
    case 'room-full':
      return { title: 'The room is full', text: `Every seat is taken. Try again when somebody has left, or ${lower(asking(host))} for a seat.`, next: 'again' }
    case 'session-ended':
      return { title: 'You are no longer in this room', text: 'Open your link again, or enter with the passcode.', next: 'enter' }
    case 'left':
      return { title: 'You left the room', text: 'Your place is kept in this browser while the room is open.', next: 'back' }
    case 'forgotten':
      return { title: 'You left the room', text: 'This browser has forgotten it. Your link or the passcode leads back, while the room is open.', next: 'enter' }
    case 'too-many-tries':
      return { title: 'Too many tries', text: 'Wait a moment, then try again.', next: 'again' }
    case 'cross-site':
      return { title: 'This page was opened from elsewhere', text: 'Open your link again, in a tab of its own.', next: 'again' }
    case 'offline':
      return { title: 'The server cannot be reached', text: 'Check your connection, then try again.', next: 'again' }
    default:
      return { title: 'That did not work', text: 'Try again in a moment.', next: 'again' }
  }
}

/** Words for what nobody refused, and is being tried again. */
export const tryingWords = (type: string): Words =>
  type === 'offline'
    ? { title: 'The server cannot be reached', text: 'Check your connection. This page tries again by itself.', next: 'again' }
    : { title: 'The server cannot answer just now', text: 'Nothing to do: this page tries again by itself.', next: 'again' }

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

/** Why no picture came, as far as it was seen, and what to do. */
export function noPicture(saw: Fallback | null): { why: string; fix: string } {
  switch (saw) {
    case 'blocked':
      return { why: 'The server answers, but nothing gets through to this browser: a network, a VPN or a firewall may block it.', fix: 'Try another network, or do without the VPN.' }
    case 'refused':
      return { why: 'The server refuses the picture to this browser.', fix: 'Reload the page. If that does not help, tell your host.' }
    case 'unanswered':
      return { why: 'The server does not answer when it is asked for the picture.', fix: 'Check your network. If it is well, tell your host.' }
    case 'dark':
      return { why: 'A connection stands, but no picture comes over it.', fix: 'Reload the page. If that does not help, tell your host.' }
    case null:
      return { why: 'Nothing arrives.', fix: 'Reload the page. If that does not help, tell your host.' }
  }
}

interface PictureState {
  seen: boolean
  phase: Phase
  /** Waited for long, and what was seen of the last try. */
  late: boolean
  saw: Fallback | null
  live: boolean
  callOpen: boolean
  offline: boolean
  picture: Visit['picture']
  host: string | null | undefined
}

/** What stands in the picture's half while there is no picture. */
export function pictureWords({ seen, phase, late, saw, live, callOpen, offline, picture, host }: PictureState): string | null {
  if (live && (phase === 'playing' || phase === 'needs-tap')) return null
  if (picture.refused === 'network') return `This room may be watched from certain networks only, and yours is none of them. ${asking(host)}, or use the network you were told of.`
  if (live && picture.refused === 'full') return `Every seat is taken. The picture comes by itself when somebody leaves, or ${lower(asking(host))} for a seat.`
  if (live && offline && seen) return 'You are offline. The picture returns with your connection.'
  if (live && late) {
    const { why, fix } = picture.available ? noPicture(saw) : { why: picture.why ?? 'The media server does not answer.', fix: 'It is put right by itself. If it lasts, tell your host.' }
    return `${seen ? 'The picture has not come back.' : 'There is no picture yet.'} ${why} ${fix}`
  }
  if (live && phase === 'reconnecting') return 'The picture stopped. Reconnecting…'
  if (live) return 'The picture is coming…'
  const call = callOpen ? ' The call is open.' : ''
  if (seen) return `The stream has ended.${call} The picture returns by itself if it starts again.`
  return `Waiting for the picture.${call}`
}
