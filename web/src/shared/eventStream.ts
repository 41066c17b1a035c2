// Server-sent events with our own reconnecting: EventSource gives up for good
// on a refused answer and waits a fixed time otherwise.
import { useEffect, useRef, useState } from 'react'

export type StreamState = 'connecting' | 'open' | 'lost'

export interface StreamOptions {
  /** By event name; the payload is parsed JSON. */
  on: Record<string, (payload: never) => void>
  onState?: (state: StreamState) => void
  /** Asked before each reconnect: a session that ended is not knocked at again. */
  mayReconnect?: () => boolean
  random?: () => number
}

const FIRST_MS = 500
const LAST_MS = 10_000
// The server sends a comment at least every 15 s; EventSource hides comments,
// so silence is judged by the `ping` event where the server sends one.
const SILENCE_MS = 45_000
// Timers stand still while a laptop sleeps: who comes back looks at the clock.
const STALE_MS = 20_000

export function openEventStream(url: string, options: StreamOptions): () => void {
  const random = options.random ?? Math.random
  let source: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let silence: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let closed = false
  let pings = false
  let heardAt = Date.now()

  const heard = () => {
    heardAt = Date.now()
    clearTimeout(silence)
    if (pings) silence = setTimeout(again, SILENCE_MS)
  }

  function connect() {
    options.onState?.('connecting')
    heardAt = Date.now()
    source = new EventSource(url, { withCredentials: true })
    source.onopen = () => {
      failures = 0
      options.onState?.('open')
      heard()
    }
    source.onerror = again
    source.addEventListener('ping', () => {
      pings = true
      heard()
    })
    for (const [name, handle] of Object.entries(options.on)) {
      source.addEventListener(name, (event) => {
        heard()
        const payload = parse((event as MessageEvent<string>).data)
        if (payload !== undefined) handle(payload as never)
      })
    }
  }

  function again() {
    source?.close()
    source = null
    clearTimeout(silence)
    if (closed || timer !== undefined) return
    options.onState?.('lost')
    if (options.mayReconnect && !options.mayReconnect()) return
    const wait = Math.min(LAST_MS, FIRST_MS * 2 ** failures++) * (0.7 + 0.6 * random())
    timer = setTimeout(() => {
      timer = undefined
      if (!closed) connect()
    }, wait)
  }

  // A laptop that wakes up or a network that returns need not wait its turn,
  // and what they still hold may be dead without having said so.
  const anew = () => {
    source?.close()
    clearTimeout(silence)
    clearTimeout(timer)
    timer = undefined
    failures = 0
    connect()
  }
  const online = () => {
    if (source !== null || timer !== undefined) anew()
  }
  const visible = () => {
    if (timer !== undefined || (source !== null && document.visibilityState === 'visible' && Date.now() - heardAt > STALE_MS)) anew()
  }
  window.addEventListener('online', online)
  document.addEventListener('visibilitychange', visible)

  connect()
  return () => {
    closed = true
    clearTimeout(timer)
    clearTimeout(silence)
    source?.close()
    window.removeEventListener('online', online)
    document.removeEventListener('visibilitychange', visible)
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The stream for as long as the component lives; null means none. */
export function useEventStream(url: string | null, on: StreamOptions['on'], mayReconnect?: () => boolean): StreamState {
  const [state, setState] = useState<StreamState>('connecting')
  // Handlers may be new at every render; the connection must not be.
  const latest = useRef({ on, mayReconnect })
  latest.current = { on, mayReconnect }
  const names = Object.keys(on).join(' ')
  useEffect(() => {
    if (url === null) return
    const handlers: StreamOptions['on'] = {}
    for (const name of names.split(' ')) handlers[name] = (payload) => latest.current.on[name]?.(payload)
    return openEventStream(url, {
      on: handlers,
      onState: setState,
      mayReconnect: () => latest.current.mayReconnect?.() ?? true,
    })
  }, [url, names])
  return state
}
