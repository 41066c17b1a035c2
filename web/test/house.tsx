// What the portal's tests stand on: a cache, a false server, a clipboard.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { cleanup, fireEvent } from '@testing-library/react'
import { act, type ReactNode } from 'react'
import { vi } from 'vitest'
import { keys } from '../src/admin/queries'
import type { AdminRole, Room, Status } from '../src/api/types'
import { ByHand, copyByHand } from '../src/ui/ByHand'
import { Toasts } from '../src/ui/Toasts'
// The mock's world is the fixture: one truth for tests and screenshots.
import * as data from '../mock/data.mjs'

export interface Call {
  method: string
  path: string
  body: unknown
  etag: string | null
}

export const rooms = () => data.rooms() as Room[]
export const first = () => rooms()[0] as Room
export const status = (kind = 'ready') => data.status(kind) as Status
export const json = (value: unknown, code = 200) => new Response(value === undefined ? null : JSON.stringify(value), { status: code })
export const refusal = (code: number, title: string, detail = '') => json({ type: 'refused', title, detail, status: code }, code)

export class FakeSource {
  static made: FakeSource[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  readonly listeners = new Map<string, (event: { data: string }) => void>()
  closed = false
  constructor(readonly url: string) {
    FakeSource.made.push(this)
  }
  addEventListener(name: string, listener: (event: { data: string }) => void) {
    this.listeners.set(name, listener)
  }
  close() {
    this.closed = true
  }
  send(name: string, payload: unknown) {
    act(() => this.listeners.get(name)?.({ data: JSON.stringify(payload) }))
  }
}

// happy-dom knows no popovers; that they hide is the browser run's to see.
HTMLElement.prototype.hidePopover ??= () => {}

/** One test's world; `answer` is what the server says, by default yes. */
export function house(as: AdminRole = 'owner') {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 60_000 } } })
  client.setQueryData(keys.me, { id: 'a1', name: 'Maya Lindqvist', role: as })
  client.setQueryData(keys.status, status())
  client.setQueryData(keys.profiles, data.profiles)
  const calls: Call[] = []
  const world = {
    client,
    calls,
    answer: (_call: Call): Response | undefined => undefined,
    /** What is on the clipboard; refused when `shut`. */
    clipboard: [] as string[],
    shut: false,
    within: ({ children }: { children: ReactNode }) => (
      <QueryClientProvider client={client}>
        {children}
        <Toasts />
        <ByHand />
      </QueryClientProvider>
    ),
    end() {
      for (const one of document.querySelectorAll('[role=alert] button')) if (one.textContent === 'Dismiss') fireEvent.click(one)
      cleanup()
      copyByHand(null)
      vi.unstubAllGlobals()
      history.replaceState(null, '', '/')
    },
  }
  FakeSource.made = []
  vi.stubGlobal('EventSource', FakeSource)
  vi.stubGlobal('ClipboardItem', undefined)
  const writeText = async (text: string) => {
    if (world.shut) throw new Error('not allowed')
    world.clipboard.push(text)
  }
  Object.defineProperty(navigator, 'clipboard', { value: { writeText }, configurable: true })
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const headers = init.headers as Record<string, string>
    const call = { method: init.method as string, path: path.replace('/api/v1', ''), body: init.body ? JSON.parse(init.body as string) : undefined, etag: headers['if-match'] ?? null }
    calls.push(call)
    return world.answer(call) ?? json(undefined, 204)
  })
  return world
}
