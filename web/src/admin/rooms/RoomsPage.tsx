import { useRef, useState } from 'react'
import { useKeys } from '../../shared/keys'
import { useServerNow } from '../../shared/clock'
import { useConfirm } from '../../ui/Confirm'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { Heading } from '../Heading'
import { useMe, useRooms } from '../queries'
import { NewRoom } from './NewRoom'
import { byUrgency, fits } from './roomFacts'
import { RoomRow } from './RoomRow'

export function RoomsPage() {
  const [archived, setArchived] = useState(false)
  const [wanted, setWanted] = useState('')
  const [making, setMaking] = useState(false)
  const find = useRef<HTMLInputElement>(null)
  const rooms = useRooms(archived)
  const mayMake = useMe().data?.role !== 'ops'
  const now = useServerNow(10_000)
  const [confirm, ask] = useConfirm()
  useKeys({ n: () => mayMake && setMaking(true), '/': () => find.current?.focus() })

  const all = rooms.data ?? []
  const shown = all.filter((room) => fits(room, wanted)).toSorted(byUrgency)
  return (
    <div className={css.page}>
      <header className={css.head}>
        <Heading>{archived ? 'Archive' : 'Rooms'}</Heading>
        <span className={css.find}>
          <input ref={find} type="search" className={ui.input} placeholder="Find" aria-label="Find a room" value={wanted} onChange={(event) => setWanted(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()} />
          <kbd className={`${ui.kbd} ${css.findKey}`}>/</kbd>
        </span>
        {mayMake && (
          <button type="button" className={ui.button.primary} onClick={() => setMaking(true)}>
            New room <kbd className={ui.kbd}>N</kbd>
          </button>
        )}
      </header>
      {rooms.isLoadingError ? (
        <ProblemNote error={rooms.error} onAgain={() => void rooms.refetch()} />
      ) : rooms.isPending ? (
        <SkeletonRows rows={4} />
      ) : shown.length > 0 ? (
        <ul className={css.list}>
          {shown.map((room) => (
            <RoomRow key={room.id} room={room} now={now} ask={ask} mayChange={mayMake} />
          ))}
        </ul>
      ) : wanted !== '' ? (
        <div className={ui.empty}>
          <p>No room matches “{wanted}”.</p>
        </div>
      ) : archived ? (
        <div className={ui.empty}>
          <p>The archive is empty. Rooms you archive wait here until you bring them back or delete them.</p>
        </div>
      ) : (
        <div className={ui.empty}>
          <p className={ui.emptyTitle}>No rooms yet</p>
          <p>A room is one review: a picture, a call, and links for the people you invite. Press N, give it a name, and send the link that lands on your clipboard.</p>
          {mayMake && (
            <button type="button" className={ui.button.primary} onClick={() => setMaking(true)}>
              Make the first room
            </button>
          )}
        </div>
      )}
      {/* Comes with the rows: what is there before them would be pushed down. */}
      {!rooms.isPending && (
        <p>
          <button type="button" className={ui.button.quiet} style={{ marginLeft: -8 }} onClick={() => setArchived(!archived)}>
            {archived ? '← Back to the rooms' : 'Archive'}
          </button>
        </p>
      )}
      {making && <NewRoom onClose={() => setMaking(false)} />}
      {confirm}
    </div>
  )
}
