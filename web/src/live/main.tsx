import { createRoot } from 'react-dom/client'
import { Boundary } from '../shared/Boundary'
import { tellParent } from './call/farewell'
import { Goodbye } from './call/Goodbye'
import { LivePage } from './LivePage'
import { page } from './entry/entry.css'
import { button } from './parts.css'
import './theme.css'

// The call sends its frame here when it is over: our page inside our page.
const goodbye = location.pathname === '/left' || location.pathname === '/ended'
if (goodbye) tellParent(location.pathname === '/ended' ? 'ended' : 'left')

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <Boundary note={page} button={button}>
      {goodbye ? <Goodbye /> : <LivePage />}
    </Boundary>,
  )
}
