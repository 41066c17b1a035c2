import { useEffect, useState } from 'react'
import { passes } from '../api/request'
import * as css from './entry/entry.css'
import { NameForm } from './entry/NameForm'
import { Notice } from './entry/Notice'
import { PasscodeForm } from './entry/PasscodeForm'
import { NotOpenYet } from './entry/NotOpenYet'
import { noticeFor, tryingWords } from './notices'
import { Room } from './room/Room'
import { go } from '../shared/router'
import { useSession } from './useSession'

/** One browser, one room: the door, the room, or a calm word. */
export function LivePage() {
  const api = useSession()
  const { session } = api
  switch (session.kind) {
    case 'loading':
      return <Opening />
    case 'entry':
      return <PasscodeForm slug={session.slug} enter={api.enter} />
    case 'name':
      return <NameForm visit={session.visit} rename={api.rename} />
    case 'refused': {
      const { type, host, room, retryAfter } = session.problem
      const words = session.again && passes(session.problem) ? tryingWords(type) : noticeFor(type, host)
      return <Notice words={words} about={room} retryAfter={retryAfter} onAgain={session.again ?? reload} onEnter={() => toDoor(session.slug)} />
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

/** Wordless where it is quick. */
function Opening() {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 1000)
    return () => clearTimeout(timer)
  }, [])
  return (
    <main className={css.page} aria-busy="true">
      <p className={css.quiet} role="status">
        {slow && 'Opening…'}
      </p>
    </main>
  )
}

const reload = () => location.reload()

/** The door of the room whose address this is, or any room's. */
const toDoor = (slug: string | null) => (slug !== null && location.pathname === `/${slug}` ? reload() : go('/'))
