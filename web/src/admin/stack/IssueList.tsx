import { apply, backUp, obsUrl, setMode } from '../../api/admin'
import type { Issue, Room, ServiceRole, Status } from '../../api/types'
import { Link } from '../../shared/router'
import { sentence, sentences } from '../../shared/words'
import type { Question } from '../../ui/Confirm'
import { CopyButton } from '../../ui/CopyButton'
import { say, sayProblem } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import { useMe, useRooms } from '../queries'
import { needsOwner, type Remedy, remediesFor, whomApplyInterrupts } from './remedy'
import * as css from './stack.css'

const NOTE = { error: ui.note.bad, warning: ui.note.warning, notice: ui.note.plain }

interface Props {
  issues: Issue[]
  status: Status
  ask: (question: Question | null) => void
  /** On whose page it stands. */
  room?: Room
  onLog?: (role: ServiceRole) => void
}

/** A sentence, a cause and a button. */
export function IssueList({ issues, ...more }: Props) {
  const owner = useMe().data?.role === 'owner'
  const { status, room } = more
  return (
    <ul className={ui.stack} aria-label="Issues">
      {issues.map((issue) => {
        const remedies = remediesFor(issue, status, room ? 'room' : 'stack').filter((one) => owner || !needsOwner(one))
        return (
          <li key={`${issue.code} ${issue.subject} ${issue.what}`} className={NOTE[issue.severity]}>
            <div className={css.issue}>
              <div>
                <p>
                  <Prose text={sentence(issue.what)} />
                </p>
                <p className={ui.quiet}>
                  <Prose text={sentences(issue.why, issue.fix)} />
                </p>
              </div>
              {remedies.length > 0 && (
                <div className={css.remedies}>
                  {remedies.map((remedy) => (
                    <Fix key={remedy.verb} remedy={remedy} {...more} />
                  ))}
                </div>
              )}
            </div>
          </li>
        )
      })}
    </ul>
  )
}

/** What stands between backticks is something to type. */
function Prose({ text }: { text: string }) {
  return text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i} className={ui.code}>{part}</code> : part))
}

function Fix({ remedy, status, ask, room, onLog }: { remedy: Remedy } & Omit<Props, 'issues'>) {
  const button = (run: () => void) => (
    <button type="button" className={ui.button.plain} onClick={run}>
      {remedy.verb}
    </button>
  )
  const tell = (work: Promise<unknown>, done: string) => void work.then(() => say(done), sayProblem)
  switch (remedy.act) {
    case 'apply-now':
      return button(() => ask({ title: `${remedy.verb}?`, body: whomApplyInterrupts(status), verb: remedy.verb, run: () => apply(true).then(() => say('Trying again')) }))
    case 'update-images':
      return button(() =>
        ask({
          title: `${remedy.verb}?`,
          body: 'Each service whose image changed is tried out and replaced. One that somebody watches or talks through waits until nobody has been live for a minute, so this interrupts nobody.',
          verb: 'Take it up',
          run: () => apply(false, true).then(() => say('The new image is taken up')),
        }),
      )
    case 'resume':
      return button(() => tell(setMode('heal'), 'Resumed'))
    case 'back-up':
      return button(() => tell(backUp(), 'The backup is made'))
    case 'look':
      return button(() => tell(apply(false), 'Looking again'))
    case 'copy':
      return (
        <CopyButton text={remedy.text} what={remedy.what} look="plain">
          {remedy.verb}
        </CopyButton>
      )
    case 'log':
      return onLog ? button(() => onLog(remedy.role)) : null
    case 'room':
      return <RoomLink slug={remedy.slug} verb={remedy.verb} />
    case 'field':
      return button(() => document.querySelector<HTMLElement>(`main [name=${remedy.field}]`)?.focus())
    case 'obs':
      return room ? (
        <a className={ui.button.plain} href={obsUrl(room.id)} download>
          {remedy.verb}
        </a>
      ) : null
  }
}

function RoomLink({ slug, verb }: { slug: string; verb: string }) {
  const room = useRooms(false).data?.find((one) => one.slug === slug)
  return room ? (
    <Link className={ui.button.plain} href={`/rooms/${room.id}`}>
      {verb}
    </Link>
  ) : null
}
