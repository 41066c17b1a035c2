// The calm words of every state a person can meet, in one place. Each says
// what is and what to do next.

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

const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

/** What stands in the picture's half while there is no picture. */
export function pictureWords(state: { seen: boolean; phase: string; live: boolean; callOpen: boolean; offline: boolean }): string | null {
  if (state.live && state.phase === 'playing') return null
  if (state.live && state.phase === 'reconnecting') return state.offline ? 'You are offline. The picture returns with your connection.' : 'The picture stopped. Reconnecting…'
  if (state.live) return 'The picture is coming…'
  const call = state.callOpen ? ' The call is open.' : ''
  if (state.seen) return `The stream has ended.${call} The picture returns by itself if it starts again.`
  return `Waiting for the picture.${call}`
}
