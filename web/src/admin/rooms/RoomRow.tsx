import type { Room } from '../../api/types'
import { Link } from '../../shared/router'
import type { Question } from '../../ui/Confirm'
import { CopyIcon } from '../../ui/CopyIcon'
import { Menu, type MenuItem } from '../../ui/Menu'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { roomDot, roomFacts } from './roomFacts'
import { useRoomActions } from './useRoomActions'
import { useShareLink } from './useShareLink'

const DOT_NAME = { live: 'live', open: 'open', none: 'not open', warning: 'has a problem' }

export function RoomRow({ room, now, ask, mayChange }: { room: Room; now: number; ask: (question: Question | null) => void; mayChange: boolean }) {
  const share = useShareLink()
  const actions = useRoomActions(ask)
  const dot = roomDot(room)
  const isOpen = !room.closed && room.state !== 'expired'
  const items: MenuItem[] = room.archived
    ? [
        { label: 'Bring back', run: () => void actions.restore(room) },
        { label: 'Delete for ever', danger: true, run: () => void actions.interrupt(room, 'delete') },
      ]
    : [
        { label: 'Copy presenter link', run: () => void share(room, 'presenter') },
        { label: 'Duplicate', run: () => void actions.duplicate(room) },
        isOpen ? { label: 'Close', danger: true, run: () => void actions.interrupt(room, 'close') } : { label: 'Open', run: () => void actions.open(room) },
        { label: 'Archive', danger: true, run: () => void actions.interrupt(room, 'archive') },
      ]
  return (
    <li className={css.item}>
      <span className={css.itemDot}>
        <span className={ui.dot[dot]} role="img" aria-label={DOT_NAME[dot]} />
      </span>
      <span className={css.itemName} dir="auto">
        <Link href={`/rooms/${room.id}`} className={css.cover}>
          {room.title}
        </Link>
      </span>
      <span className={css.itemFacts}>{roomFacts(room, now)}</span>
      {mayChange && (
        <span className={css.itemActions}>
          {!room.archived && (
            <button type="button" className={ui.button.quiet} aria-label={`Copy a viewer link for ${room.title}`} onClick={() => void share(room, 'viewer')}>
              <CopyIcon /> link
            </button>
          )}
          <Menu label={`More for ${room.title}`} items={items}>
            ⋯
          </Menu>
        </span>
      )}
    </li>
  )
}
