import { createRoot } from 'react-dom/client'
import { tellParent } from './call/farewell'
import { Goodbye } from './call/Goodbye'
import { LivePage } from './LivePage'
import './theme.css'

// The call sends its frame here when it is over: our page inside our page.
const goodbye = location.pathname === '/left' || location.pathname === '/ended'
if (goodbye) tellParent(location.pathname === '/ended' ? 'ended' : 'left')

const root = document.getElementById('root')
if (root) createRoot(root).render(goodbye ? <Goodbye /> : <LivePage />)
