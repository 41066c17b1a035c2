import { NameForm } from './entry/NameForm'
import { Notice } from './entry/Notice'
import { PasscodeForm } from './entry/PasscodeForm'
import { NotOpenYet } from './entry/NotOpenYet'
import { noticeFor } from './notices'
import { Room } from './room/Room'
import { go } from '../shared/router'
import { useSession } from './useSession'

/** One browser, one room: the door, the room, or a calm word. */
export function LivePage() {
  const api = useSession()
  const { session } = api
  switch (session.kind) {
    case 'loading':
      return <main aria-busy="true" />
    case 'entry':
      return <PasscodeForm slug={session.slug} enter={api.enter} />
    case 'name':
      return <NameForm visit={session.visit} rename={api.rename} />
    case 'refused': {
      const { type, host, room, retryAfter } = session.problem
      return <Notice words={noticeFor(type, host)} about={room} retryAfter={retryAfter} onAgain={session.again ?? reload} onEnter={() => toDoor(session.slug)} />
    }
    case 'ended': {
      const { reason, visit } = session
      const again = reason === 'left' && visit ? () => api.comeBack(visit.slug) : reload
      return <Notice words={noticeFor(reason, visit?.invited_by)} about={visit?.title} onAgain={again} onEnter={() => toDoor(visit?.slug ?? null)} />
    }
    case 'in':
      if (session.visit.state === 'not-open') {
        return <NotOpenYet visit={session.visit} clockOffset={api.clockOffset} onLeave={() => api.leave()} />
      }
      return <Room {...api} visit={session.visit} />
  }
}

const reload = () => location.reload()

/** The door of the room whose address this is, or any room's. */
const toDoor = (slug: string | null) => (slug !== null && location.pathname === `/${slug}` ? reload() : go('/'))
