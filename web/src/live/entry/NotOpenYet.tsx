import { useState } from 'react'
import type { Visit } from '../../api/types'
import { arrive, useTitle } from '../../shared/arrive'
import { Boundary } from '../../shared/Boundary'
import { later } from '../../shared/later'
import { useNow } from '../../shared/useNow'
import { countdown, exact, moment } from '../../shared/words'
import { Given } from '../Given'
import { button, textButton } from '../parts.css'
import * as css from './entry.css'

const DeviceCheck = later(() => import('../device/DeviceCheck'))

/** A countdown on the server's clock; the room opens by itself. */
export function NotOpenYet({ visit, clockOffset, onLeave }: { visit: Visit; clockOffset: number; onLeave: () => void }) {
  useTitle(visit.title)
  const now = useNow(1000, clockOffset)
  const [checking, setChecking] = useState(false)
  const opens = visit.opens_at
  return (
    <main className={css.page}>
      <div className={css.sheet}>
        <p className={css.mark}>
          <Given>{visit.title}</Given>
        </p>
        {opens ? (
          <>
            <h1 ref={arrive} tabIndex={-1} className={css.title}>
              This room opens <time dateTime={opens} title={exact(opens)}>{moment(opens, now)}</time>
            </h1>
            <p className={css.countdown} role="timer">
              {countdown(Date.parse(opens), now)}
            </p>
          </>
        ) : (
          <h1 ref={arrive} tabIndex={-1} className={css.title}>This room is not open yet</h1>
        )}
        <p className={css.text}>Leave this page open: it goes in by itself.</p>
        <div className={css.actions}>
          <button type="button" className={button} onClick={() => setChecking(true)}>
            Check camera and sound
          </button>
          <button type="button" className={textButton} onClick={onLeave}>
            Leave
          </button>
        </div>
      </div>
      {checking && (
        <Boundary button={button}>
          <DeviceCheck way={null} onClose={() => setChecking(false)} />
        </Boundary>
      )}
    </main>
  )
}
