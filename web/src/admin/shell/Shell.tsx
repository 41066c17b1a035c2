import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { logOut } from '../../api/admin'
import type { Me, Status } from '../../api/types'
import { useKeys } from '../../shared/keys'
import { Link, usePath } from '../../shared/router'
import { Boundary } from '../../ui/Boundary'
import { Dialog } from '../../ui/Dialog'
import { Menu } from '../../ui/Menu'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { useLiveEvents, useStale, useStatus } from '../queries'

const PLACES = [
  { href: '/', label: 'Rooms', here: (path: string) => path === '/' || path.startsWith('/rooms') },
  { href: '/stack', label: 'Stack', here: (path: string) => path.startsWith('/stack') },
  { href: '/settings', label: 'Settings', here: (path: string) => path.startsWith('/settings') },
]

/** Left: Rooms, Stack, Settings. Right: one column of work. */
export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const path = usePath()
  const client = useQueryClient()
  const events = useLiveEvents()
  const status = useStatus().data
  const [stale, askAgain] = useStale()
  const [help, setHelp] = useState(false)
  useKeys({ '?': () => setHelp(true) })
  const leave = async () => {
    await logOut().catch(() => {})
    client.clear()
    location.assign('/')
  }
  return (
    <div className={css.shell}>
      <nav className={css.side} aria-label="Main">
        <div className={css.brand}>{status?.instance || 'ColourStream'}</div>
        {PLACES.map(({ href, label, here }) => (
          <Link key={href} href={href} className={css.nav} aria-current={here(path) ? 'page' : undefined}>
            {label}
            {label === 'Stack' && status && <StackDot status={status} />}
          </Link>
        ))}
        <span className={css.lost} role="status">
          {events === 'lost' ? (
            <>
              <span className={ui.dot.warning} /> Reconnecting…
            </>
          ) : (
            stale && (
              <>
                <span className={ui.dot.warning} /> <span style={{ whiteSpace: 'nowrap' }}>Not up to date</span>
                <button type="button" className={ui.button.quiet} style={{ marginLeft: -8 }} onClick={askAgain}>
                  Try again
                </button>
              </>
            )
          )}
        </span>
        <div className={css.sideEnd}>
          <span>
            <bdi>{me.name}</bdi>
            <br />
            {me.role}
          </span>
          <span style={{ marginLeft: -8 }}>
            <button type="button" className={ui.button.quiet} onClick={() => void leave()}>
              Log out
            </button>
            <button type="button" className={ui.button.quiet} aria-label="Keyboard shortcuts" onClick={() => setHelp(true)}>
              ?
            </button>
          </span>
        </div>
        <div className={css.account}>
          <Menu
            label={`You: ${me.name}`}
            className={css.nav}
            head={`${me.name} · ${me.role}`}
            items={[
              { label: 'Keys', run: () => setHelp(true) },
              { label: 'Log out', run: () => void leave() },
            ]}
          >
            You
          </Menu>
        </div>
      </nav>
      <main className={css.main}>
        <Boundary key={path}>{children}</Boundary>
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
    </div>
  )
}

/** Only trouble is marked: a quiet menu means all is well. */
function StackDot({ status }: { status: Status }) {
  if (status.summary === 'ready') return null
  const bad = status.summary === 'degraded'
  return <span className={bad ? ui.dot.bad : ui.dot.warning} role="img" aria-label={bad ? 'something is wrong' : status.summary} />
}

function Help({ onClose }: { onClose: () => void }) {
  const keys = [
    ['N', 'New room'],
    ['/', 'Find a room'],
    ['?', 'This help'],
    ['Esc', 'Close what is open'],
  ]
  return (
    <Dialog title="Keys" onClose={onClose}>
      <dl className={css.facts}>
        {keys.map(([key, meaning]) => (
          <div key={key} style={{ display: 'contents' }}>
            <dt className={css.factName}>
              <kbd className={ui.kbd}>{key}</kbd>
            </dt>
            <dd className={css.factValue}>{meaning}</dd>
          </div>
        ))}
      </dl>
      <div className={ui.dialogEnd}>
        <button type="button" className={ui.button.plain} onClick={onClose}>
          Close
        </button>
      </div>
    </Dialog>
  )
}
