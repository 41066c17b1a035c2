import type { Room } from '../../api/types'
import { problemOf } from '../../api/request'
import { Link } from '../../shared/router'
import { useServerNow } from '../../shared/clock'
import { useConfirm } from '../../ui/Confirm'
import { CopyButton } from '../../ui/CopyButton'
import { Menu } from '../../ui/Menu'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { Heading } from '../Heading'
import { useLinks, useMe, useProfiles, useRoom, useStatus } from '../queries'
import { IssueList } from '../stack/IssueList'
import { FreshLink } from './FreshLink'
import { IngestSection } from './IngestSection'
import { LinksSection } from './LinksSection'
import { Preview } from './Preview'
import { RoomActivity } from './RoomActivity'
import { RoomForm } from './RoomForm'
import { roomDot, roomFacts } from './roomFacts'
import { useRoomActions } from './useRoomActions'
import { useShareLink } from './useShareLink'

export function RoomPage({ id }: { id: string }) {
  const room = useRoom(id)
  // Shown in one piece: what comes later would push the rest down.
  const links = useLinks(id)
  const profiles = useProfiles()
  const gone = room.isError && problemOf(room.error).status === 404
  if (room.isLoadingError || gone) {
    return (
      <div className={css.page}>
        <Heading>{gone ? 'This room does not exist' : 'The room cannot be shown'}</Heading>
        {gone ? <p>It was deleted, or the address is wrong.</p> : <ProblemNote error={room.error} onAgain={() => void room.refetch()} />}
        <p>
          <Link href="/" className={ui.button.plain}>
            All rooms
          </Link>
        </p>
      </div>
    )
  }
  if (room.isPending || links.isPending || profiles.isPending) {
    return (
      <div className={css.page}>
        <SkeletonRows rows={5} />
      </div>
    )
  }
  return <Loaded room={room.data} />
}

function Loaded({ room }: { room: Room }) {
  const role = useMe().data?.role
  const now = useServerNow(10_000)
  const [confirm, ask] = useConfirm()
  const actions = useRoomActions(ask)
  const share = useShareLink()
  const status = useStatus().data
  const may = role !== 'ops' && !room.archived
  const closed = room.closed || room.state === 'expired'
  return (
    <div className={css.page}>
      <div className={css.heading}>
        <Link href="/" className={`${ui.quiet} ${ui.small}`}>
          ← Rooms
        </Link>
        <header className={css.head}>
          <Heading>{room.title}</Heading>
          {may && (
            <>
              <button type="button" className={ui.button.primary} onClick={() => void share(room, 'viewer')}>
                Copy viewer link
              </button>
              <button type="button" className={ui.button.plain} onClick={() => void share(room, 'presenter')}>
                Presenter link
              </button>
              <Menu
                label="More for this room"
                items={[
                  { label: 'Duplicate', run: () => void actions.duplicate(room) },
                  { label: 'Everybody out', danger: true, run: () => void actions.interrupt(room, 'rotate-stream') },
                  closed ? { label: 'Open', run: () => void actions.open(room) } : { label: 'Close', danger: true, run: () => void actions.interrupt(room, 'close') },
                  { label: 'Archive', danger: true, run: () => void actions.interrupt(room, 'archive') },
                  { label: 'Delete for ever', danger: true, run: () => void actions.interrupt(room, 'delete') },
                ]}
              >
                ⋯
              </Menu>
            </>
          )}
          {room.archived && role !== 'ops' && (
            <>
              <button type="button" className={ui.button.plain} onClick={() => void actions.restore(room)}>
                Bring back
              </button>
              <button type="button" className={ui.button.danger} onClick={() => void actions.interrupt(room, 'delete')}>
                Delete for ever
              </button>
            </>
          )}
        </header>
        <p className={ui.row}>
          <span className={ui.dot[roomDot(room)]} />
          <span className={css.itemFacts}>{roomFacts(room, now)}</span>
          <span className={ui.push} />
          <span className={css.address}>
            <code className={`${ui.code} ${css.addressText}`} title={room.urls.room}>
              {room.urls.room.replace(/^https?:\/\//, '')}
            </code>
            <CopyButton text={room.urls.room} what="Room address" />
          </span>
        </p>
      </div>
      <FreshLink room={room} />
      {room.issues.length > 0 && status && <IssueList issues={room.issues} status={status} ask={ask} room={room} />}
      <Preview room={room} now={now} />
      <LinksSection room={room} may={may} ask={ask} />
      {may && <IngestSection room={room} onRotate={() => void actions.interrupt(room, 'rotate-key')} />}
      {may && <RoomForm room={room} />}
      <RoomActivity id={room.id} />
      {confirm}
    </div>
  )
}
