import type { MouseEvent, RefObject } from 'react'
import type { Presence, Visit } from '../../api/types'
import { count } from '../../shared/words'
import { Given } from '../Given'
import { Icon } from '../Icon'
import { dot, iconButton } from '../parts.css'
import type { Player } from '../player/usePlayer'
import type { Panel } from './Room'
import * as css from './room.css'

interface Props {
  visit: Visit
  presence: Presence | null
  player: Player
  /** Looked at by what shows and hides it. */
  self: RefObject<HTMLDivElement | null>
  shown: boolean
  inert: boolean
  panel: Panel
  onPanel: (panel: Exclude<Panel, null>) => void
  full: boolean
  /** Null where there is no full screen. */
  onFull: (() => void) | null
  callHidden: boolean
  onCall: () => void
  onFront: () => void
  onLeave: () => void
}

const SOUND_OFF = 'Sound is off – tap to hear'

/** The bar over the picture: what room, who watches, the few controls. */
export function Bar({ visit, presence, player, self, shown, inert, panel, onPanel, full, onFull, callHidden, onCall, onFront, onLeave }: Props) {
  const live = visit.state === 'live'
  const watching = presence?.watching ?? 0
  return (
    <div ref={self} className={css.bar} data-shown={shown} inert={inert} onClick={letGo}>
      <span className={css.mark}>
        <span className={live ? dot.live : dot.unknown} />
        <span className={css.markWord}>{live ? 'LIVE' : 'Waiting'}</span>
      </span>
      <Given as="span" className={css.title}>
        {visit.title}
      </Given>
      <button type="button" className={`${iconButton} ${css.figure}`} aria-expanded={panel === 'people'} aria-label={`${count(watching, 'person is', 'people are')} watching: who is here`} onClick={() => onPanel('people')}>
        <Icon name="eye" size={18} />
        {watching}
      </button>
      {player.phase === 'playing' && (
        <button type="button" className={player.muted ? `${iconButton} ${panel === null ? css.roomyOnly : ''} ${css.soundOff}` : iconButton} aria-label={player.muted ? `${SOUND_OFF} (m)` : 'Sound off (m)'} title={player.muted ? 'Sound on  m' : 'Sound off  m'} onClick={() => player.setMuted(!player.muted)}>
          <Icon name={player.muted ? 'muted' : 'sound'} />
          {player.muted && <span className={css.soundOffWords}>{SOUND_OFF}</span>}
        </button>
      )}
      <button type="button" className={iconButton} aria-expanded={panel === 'quality'} aria-label="Picture quality (i)" title="Picture quality  i" onClick={() => onPanel('quality')}>
        <Icon name="info" />
      </button>
      <button type="button" className={`${iconButton} ${css.notLyingDown}`} aria-pressed={callHidden} aria-label={callHidden ? 'Show the call (c)' : 'Hide the call (c)'} title={callHidden ? 'Show the call  c' : 'Hide the call  c'} onClick={onCall}>
        <Icon name={callHidden ? 'halves' : 'whole'} />
      </button>
      <button type="button" className={`${iconButton} ${css.onlyLyingDown}`} aria-label="To the call" onClick={onFront}>
        <Icon name="call" />
      </button>
      {onFull && (
        <button type="button" className={iconButton} aria-label={full ? 'Leave full screen (f)' : 'Full screen (f)'} title={full ? 'Leave full screen  f' : 'Full screen  f'} onClick={onFull}>
          <Icon name={full ? 'small' : 'full'} />
        </button>
      )}
      <button type="button" className={iconButton} aria-label="Leave the room" title="Leave the room" onClick={onLeave}>
        <Icon name="leave" />
      </button>
    </div>
  )
}

/** A button that was clicked need not keep the focus: its ring would come up at the next key, beside the picture. */
function letGo(event: MouseEvent) {
  if (event.detail > 0 && document.activeElement instanceof HTMLElement) document.activeElement.blur()
}
