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
      const words = noticeFor(session.problem.type)
      return <Notice words={words} retryAfter={session.problem.retryAfter} onAgain={session.again} onEnter={() => toDoor(session.slug)} />
    }
    case 'ended': {
      const words = noticeFor(session.reason, session.visit?.invited_by)
      return <Notice words={words} about={session.visit?.title} onAgain={() => location.reload()} onEnter={() => toDoor(null)} />
    }
    case 'in':
      if (session.visit.state === 'not-open') {
        return <NotOpenYet visit={session.visit} clockOffset={api.clockOffset} onLeave={api.leave} />
      }
      return <Room {...api} visit={session.visit} />
  }
}

const toDoor = (slug: string | null) => (slug === null ? go('/') : location.reload())
