// Where this browser stands with a room: entering, refused, or in, with
// everything the server tells about it.
import { useCallback, useEffect, useRef, useState } from 'react'
import { enterByPasscode, eventsUrl, exchangeLink, getVisit, leave, setName } from '../api/live'
import { passes, Problem, problemOf } from '../api/request'
import type { EndedReason, Presence, StreamFacts, Visit } from '../api/types'
import { type StreamState, useEventStream } from '../shared/eventStream'
import { forget, recall, remember, thisTab } from '../shared/remember'
import { go, match, usePath } from '../shared/router'

export type Session =
  | { kind: 'loading' }
  | { kind: 'entry'; slug: string | null }
  | { kind: 'refused'; problem: Problem; slug: string | null; again: (() => void) | null }
  | { kind: 'name'; visit: Visit }
  | { kind: 'in'; visit: Visit }
  | { kind: 'ended'; reason: string; visit: Visit | null }

export interface SessionApi {
  session: Session
  facts: StreamFacts | null
  presence: Presence | null
  events: StreamState
  /** Server's clock minus ours. */
  clockOffset: number
  enter(slug: string, passcode: string, name: string): Promise<void>
  rename(name: string): Promise<void>
  /** Goes out; the place is kept. */
  leave(): void
  /** Goes out, once the server has given the place up and this browser forgot the name. */
  giveUp(): Promise<void>
  /** Back into the room that was left. */
  comeBack(slug: string): void
}

export const knownName = () => recall('name') ?? ''

const LINK = 'link'

/**
 * The token of a link, taken out of the address bar before anything else
 * happens; empty for one that was mangled on its way. This tab keeps it until
 * it opened its room or never will, so that a reload can try again.
 */
export function takeToken(): string | null {
  const { hash } = location
  if (hash !== '') history.replaceState(null, '', location.pathname)
  if (hash.length < 2) return null
  const token = decoded(hash.slice(1))
  if (token === '') forget(LINK, thisTab)
  else remember(LINK, token, thisTab)
  return token
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

// Taken once per page load, before React may run an effect twice.
let pendingToken: string | null = null

/** Refusals that no waiting changes; after any other the same link may open. */
const FINAL = ['link-unknown', 'link-expired', 'link-revoked', 'link-used-up']

/** Of the ways an evening ends, those that are not for good. */
const RETRY_FIRST_MS = 1000
const RETRY_LAST_MS = 30_000
const backoff = (failures: number) => Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** failures) * (0.8 + 0.4 * Math.random())

export const mayReturn = (reason: string) => reason === 'room-closed' || reason === 'room-expired'

export function useSession(): SessionApi {
  const path = usePath()
  const [session, setSession] = useState<Session>({ kind: 'loading' })
  const [facts, setFacts] = useState<StreamFacts | null>(null)
  const [presence, setPresence] = useState<Presence | null>(null)
  const [clockOffset, setClockOffset] = useState(0)
  const slug = match('/:slug', path)?.slug ?? null
  const isLink = path === '/j'
  // The visit is already here when the address follows an entry.
  const known = useRef<string | null>(null)
  // Whoever left, or asked anew, is not moved by an answer to what was asked before.
  const turn = useRef(0)
  const failures = useRef(0)
  const givingUp = useRef(false)

  const admit = useCallback((visit: Visit) => {
    const gone = visit.state === 'closed' || visit.state === 'expired'
    known.current = visit.slug
    failures.current = 0
    setClockOffset(Date.parse(visit.server_time) - Date.now())
    if (visit.me.name !== '' && !visit.asks_name) remember('name', visit.me.name)
    if (gone) setSession({ kind: 'ended', reason: `room-${visit.state}`, visit })
    else setSession(visit.asks_name ? { kind: 'name', visit } : { kind: 'in', visit })
    // A renamed room keeps its old address for a while; show the new one.
    if (location.pathname !== `/${visit.slug}`) go(`/${visit.slug}`, { replace: true })
  }, [])

  const exchange = useCallback(
    async (token: string) => {
      if (token === '') {
        const problem = new Problem({ type: 'link-unknown', title: 'This link is not complete', status: 404 })
        setSession({ kind: 'refused', problem, slug: null, again: null })
        return
      }
      const mine = ++turn.current
      givingUp.current = false
      try {
        const visit = await exchangeLink(token, knownName() || undefined)
        settled()
        if (turn.current === mine) admit(visit)
      } catch (error) {
        if (turn.current !== mine) return
        const problem = problemOf(error)
        const isFinal = FINAL.includes(problem.type)
        if (isFinal) settled()
        setSession({ kind: 'refused', problem, slug: null, again: isFinal ? null : () => void exchange(token) })
      }
    },
    [admit],
  )

  const look = useCallback(
    async (room: string, signal?: AbortSignal) => {
      const mine = ++turn.current
      givingUp.current = false
      try {
        const visit = await getVisit(room, signal)
        if (turn.current === mine) admit(visit)
      } catch (error) {
        if (signal?.aborted || turn.current !== mine) return
        const problem = problemOf(error)
        // Nobody knows this browser here: the room's door, not an error.
        if (problem.status === 401 || problem.status === 404) setSession({ kind: 'entry', slug: room })
        else setSession({ kind: 'refused', problem, slug: room, again: () => void look(room) })
      }
    },
    [admit],
  )

  useEffect(() => {
    if (!isLink) return
    pendingToken = takeToken() ?? pendingToken ?? recall(LINK, thisTab)
    setSession({ kind: 'loading' })
    void exchange(pendingToken ?? '')
  }, [isLink, exchange])

  // The same tab may be handed another link: only the fragment changes then.
  useEffect(() => {
    const onHash = () => {
      const token = takeToken()
      if (token === null) return
      setSession({ kind: 'loading' })
      void exchange(token)
    }
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [exchange])

  useEffect(() => {
    if (isLink) return
    if (slug === null) {
      turn.current += 1
      known.current = null
      setSession({ kind: 'entry', slug: null })
      return
    }
    if (known.current === slug) return
    setSession({ kind: 'loading' })
    const abort = new AbortController()
    void look(slug, abort.signal)
    return () => abort.abort()
  }, [isLink, slug, look])

  // Nobody refused: it is tried again by itself, and at once when the network returns.
  const retry = session.kind === 'refused' && passes(session.problem) ? session : null
  useEffect(() => {
    const again = retry?.again
    if (!again) return
    const once = () => {
      stop()
      again()
    }
    const timer = setTimeout(once, Math.max((retry.problem.retryAfter ?? 0) * 1000, backoff(failures.current++)))
    const stop = () => {
      clearTimeout(timer)
      window.removeEventListener('online', once)
    }
    window.addEventListener('online', once)
    return stop
  }, [retry])

  // A room that closed may open again, and its events say so.
  const listens = session.kind === 'in' || (session.kind === 'ended' && session.visit !== null && mayReturn(session.reason))
  const room = listens && 'visit' in session ? (session.visit?.slug ?? null) : null
  const ended = useRef(false)
  ended.current = session.kind === 'ended' && !listens

  const events = useEventStream(
    room === null ? null : eventsUrl(room),
    {
      visit: (visit: Visit) => admit(visit),
      // Null once the encoder has stopped: what it sent is no news any more.
      facts: (next: StreamFacts | null) => setFacts(next),
      presence: (next: Presence) => setPresence(next),
      ended: ({ reason }: { reason: EndedReason }) => {
        if (givingUp.current) return
        if (!mayReturn(reason)) known.current = null
        setSession((now) => ({ kind: 'ended', reason, visit: now.kind === 'in' || now.kind === 'ended' ? now.visit : null }))
      },
    },
    () => !ended.current,
  )

  // Asked from inside: only a refusal ends what is shown.
  const check = useCallback(
    (from: string, signal: AbortSignal, onFailure: () => void) => {
      getVisit(from, signal).then(
        (visit) => {
          if (!signal.aborted) admit(visit)
        },
        (error: unknown) => {
          if (signal.aborted || givingUp.current) return
          const problem = problemOf(error)
          if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
            known.current = null
            setSession({ kind: 'ended', reason: problem.type, visit: null })
          } else onFailure()
        },
      )
    },
    [admit],
  )

  // EventSource does not say why it was refused: ask once whether the session
  // still stands, and stop knocking if it does not.
  useEffect(() => {
    if (events !== 'lost' || room === null) return
    const abort = new AbortController()
    check(room, abort.signal, () => {})
    return () => abort.abort()
  }, [events, room, check])

  // A countdown that reached its end asks for itself, should no event come.
  const visit = session.kind === 'in' ? session.visit : null
  const opensAt = visit?.state === 'not-open' ? visit.opens_at : null
  useEffect(() => {
    if (!opensAt || room === null) return
    const abort = new AbortController()
    let timer: ReturnType<typeof setTimeout>
    const ask = (wait: number, failed: number) => {
      timer = setTimeout(() => check(room, abort.signal, () => ask(backoff(failed), failed + 1)), Math.min(wait, 2 ** 31 - 1))
    }
    const left = Date.parse(opensAt) - (Date.now() + clockOffset)
    ask(Math.max(1000, left + 500), 0)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [opensAt, room, clockOffset, check])

  const goOut = useCallback((reason: 'left' | 'forgotten') => {
    turn.current += 1
    known.current = null
    setFacts(null)
    setPresence(null)
    setSession((now) => ({ kind: 'ended', reason, visit: now.kind === 'in' ? now.visit : null }))
  }, [])

  return {
    session,
    facts,
    presence,
    events,
    clockOffset,
    enter: useCallback(
      async (wanted, passcode, name) => {
        admit(await enterByPasscode(wanted, passcode, name))
        remember('name', name)
      },
      [admit],
    ),
    rename: useCallback(
      async (name) => {
        const where = known.current
        if (where === null) return
        remember('name', name)
        admit({ ...(await setName(where, name)), asks_name: false })
      },
      [admit],
    ),
    leave: useCallback(() => goOut('left'), [goOut]),
    giveUp: useCallback(async () => {
      givingUp.current = true
      try {
        if (known.current !== null) await leave(known.current)
      } catch (error) {
        // A place the server does not know is given up already.
        const { status } = problemOf(error)
        if (status !== 401 && status !== 404) {
          givingUp.current = false
          throw error
        }
      }
      // What the events still say of it is no news.
      forget('name')
      goOut('forgotten')
    }, [goOut]),
    comeBack: useCallback((slug) => void look(slug), [look]),
  }
}

/** The link has done what it can: no reload asks it again. */
function settled(): void {
  pendingToken = null
  forget(LINK, thisTab)
}
