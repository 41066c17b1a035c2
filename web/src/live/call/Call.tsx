import { useRef, useState } from 'react'
import type { Presence, Visit } from '../../api/types'
import { Boundary } from '../../shared/Boundary'
import { later } from '../../shared/later'
import { list } from '../../shared/words'
import type { Way } from '../device/network'
import { Icon } from '../Icon'
import { button, dot, primary } from '../parts.css'
import * as css from '../room/room.css'
import * as own from './call.css'
import { useFarewell } from './farewell'
import { useCall } from './useCall'

const DeviceCheck = later(() => import('../device/DeviceCheck'))

// contracts/mirotalk.md, section 8: without these the guest joins deaf and
// mute. No other attribute may restrict the frame.
const ALLOW = 'camera; microphone; display-capture; autoplay; fullscreen; clipboard-write; picture-in-picture; speaker-selection; screen-wake-lock'

/** The lower half: an invitation, then MiroTalk's own page. */
export function Call({ visit, presence, way }: { visit: Visit; presence: Presence | null; way: Way | null }) {
  const call = useCall(visit.slug, visit.call.available)
  const frame = useRef<HTMLIFrameElement>(null)
  const [checking, setChecking] = useState(false)
  useFarewell(() => frame.current, call.left)

  const { state } = call
  if (state.kind === 'in') {
    return (
      <>
        <iframe key={state.join} ref={frame} title="Call" className={css.frame} src={state.url} allow={ALLOW} />
        <div className={own.rejoin}>
          <button type="button" className={own.rejoinButton} aria-label="Rejoin the call" title="The call hangs? Rejoin it" disabled={state.asking} onClick={() => void call.join()}>
            <Icon name="rejoin" />
            <span className={own.rejoinWords}>{state.asking ? 'Joining…' : 'Rejoin the call'}</span>
          </button>
          {state.problem && (
            <p className={own.rejoinProblem} role="alert">
              <span className={dot.error} /> {state.problem.message}. {state.problem.detail}
            </p>
          )}
        </div>
      </>
    )
  }

  const others = (presence?.people ?? []).filter((person) => person.in_call && !person.me).map((person) => person.name)
  const joining = state.kind === 'joining'
  return (
    <div className={css.invite}>
      <h2 className={css.inviteTitle}>{heading(visit, state.kind === 'out' ? state.farewell : null)}</h2>
      {visit.call.available ? (
        <>
          <p className={css.quiet}>{others.length > 0 ? `${list(others)} ${others.length === 1 ? 'is' : 'are'} in the call.` : 'Nobody is in the call yet.'}</p>
          <div className={css.row}>
            <button type="button" className={primary} disabled={joining} onClick={() => void call.join()}>
              {joining ? 'Joining…' : state.kind === 'out' && state.farewell ? 'Join again' : 'Join the call'}
            </button>
            <button type="button" className={button} onClick={() => setChecking(true)}>
              Check camera and sound
            </button>
          </div>
        </>
      ) : (
        <p className={css.quiet}>{visit.call.why ?? 'The call opens with the room.'}</p>
      )}
      {state.kind === 'out' && state.problem && (
        <p role="alert">
          <span className={dot.error} /> {state.problem.message}. {state.problem.detail}
        </p>
      )}
      {checking && (
        <Boundary note={css.failure} button={button}>
          <DeviceCheck
            way={way}
            onClose={() => setChecking(false)}
            onJoin={
              visit.call.available
                ? () => {
                    setChecking(false)
                    void call.join()
                  }
                : undefined
            }
          />
        </Boundary>
      )}
    </div>
  )
}

function heading(visit: Visit, farewell: 'left' | 'ended' | null): string {
  if (!visit.call.available) return 'The call is not available'
  if (farewell === 'ended') return 'The call was ended'
  if (farewell === 'left') return 'You left the call'
  return 'The call is open'
}
