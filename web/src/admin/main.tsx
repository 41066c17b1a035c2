import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import '@fontsource-variable/geist/wght.css'
import { createRoot } from 'react-dom/client'
import { Boundary } from '../ui/Boundary'
import { ByHand } from '../ui/ByHand'
import { Toasts } from '../ui/Toasts'
import '../ui/theme.css'
import { App } from './App'
import { mayAskAgain } from './queries'

const client = new QueryClient({
  defaultOptions: {
    queries: {
      // The event stream keeps what is shown fresh.
      staleTime: 30_000,
      retry: mayAskAgain,
    },
  },
})

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <QueryClientProvider client={client}>
      <Boundary>
        <App />
      </Boundary>
      <Toasts />
      <ByHand />
    </QueryClientProvider>,
  )
}
