import { useRef } from 'react'
import { useMe, useSetupNeeded } from './queries'
import { problemOf } from '../api/request'
import { match, usePath } from '../shared/router'
import { ProblemNote } from '../ui/ProblemNote'
import * as desk from './desk.css'
import { Login } from './entry/Login'
import { SetUp } from './entry/SetUp'
import { Heading } from './Heading'
import { RoomPage } from './rooms/RoomPage'
import { RoomsPage } from './rooms/RoomsPage'
import { SettingsPage } from './settings/SettingsPage'
import { Shell } from './shell/Shell'
import { StackPage } from './stack/StackPage'

/** Who is there decides what is shown; then the path does. */
export function App() {
  const path = usePath()
  const me = useMe()
  // Asked again (another tab had the focus), the form and what was typed stay.
  const out = useRef(false)
  out.current = me.isLoadingError ? problemOf(me.error).status === 401 : me.isPending && out.current
  const setup = useSetupNeeded(out.current)
  if (path === '/setup') return <SetUp />
  if (me.data) return <Shell me={me.data}>{page(path)}</Shell>
  if (out.current) return setup.data ? <SetUp /> : <Login />
  if (me.isLoadingError) {
    return (
      <main className={desk.door}>
        <ProblemNote error={me.error} onAgain={() => void me.refetch()} />
      </main>
    )
  }
  return <main className={desk.door} aria-busy="true" />
}

function page(path: string) {
  const room = match('/rooms/:id', path)
  if (room?.id) return <RoomPage key={room.id} id={room.id} />
  if (match('/', path) || match('/rooms', path)) return <RoomsPage />
  if (match('/stack', path)) return <StackPage />
  if (match('/settings', path)) return <SettingsPage />
  return (
    <div className={desk.page}>
      <Heading>Nothing is here</Heading>
      <p>The address may be old. Choose Rooms, Stack or Settings.</p>
    </div>
  )
}
