import { lazy, Suspense, useRef, useState } from 'react'
import type { Presence, Visit } from '../../api/types'
import { button, dot, primary } from '../parts.css'
import * as css from '../room/room.css'
import { useFarewell } from './farewell'
import { useCall } from './useCall'

const DeviceCheck = lazy(() => import('../device/DeviceCheck'))

// contracts/mirotalk.md, section 8: without these the guest joins deaf and
// mute. No other attribute may restrict the frame.
const ALLOW = 'camera; microphone; display-capture; autoplay; fullscreen; clipboard-write; picture-in-picture; speaker-selection; screen-wake-lock'

/** The lower half: an invitation, then MiroTalk's own page. */
export function Call({ visit, presence }: { visit: Visit; presence: Presence | null }) {
  const call = useCall(visit.slug)
  const frame = useRef<HTMLIFrameElement>(null)
  const [checking, setChecking] = useState(false)
  useFarewell(() => frame.current, call.left)

  const { state } = call
  if (state.kind === 'in') {
    return <iframe key={state.join} ref={frame} title="Call" className={css.frame} src={state.url} allow={ALLOW} />
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
        <Suspense>
          <DeviceCheck
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
        </Suspense>
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

/** `Maya`, `Maya and Jonas`, `Maya, Jonas and 3 more`. */
export function list(names: string[]): string {
  if (names.length <= 1) return names[0] ?? ''
  if (names.length === 2) return `${names[0]} and ${names[1]}`
  if (names.length === 3) return `${names[0]}, ${names[1]} and ${names[2]}`
  return `${names[0]}, ${names[1]} and ${names.length - 2} more`
}
