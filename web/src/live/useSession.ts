// Where this browser stands with a room: entering, refused, or in, with
// everything the server tells about it.
import { useCallback, useEffect, useRef, useState } from 'react'
import { enterByPasscode, eventsUrl, exchangeLink, getVisit, leave, setName } from '../api/live'
import { Problem, problemOf } from '../api/request'
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
  /** Goes out; the place is kept, unless this browser is to forget it. */
  leave(forgets?: boolean): void
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

  const admit = useCallback((visit: Visit) => {
    const gone = visit.state === 'closed' || visit.state === 'expired'
    known.current = visit.slug
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
      setSession({ kind: 'loading' })
      try {
        admit(await exchangeLink(token, knownName() || undefined))
        settled()
      } catch (error) {
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
      try {
        admit(await getVisit(room, signal))
      } catch (error) {
        if (signal?.aborted) return
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
    void exchange(pendingToken ?? '')
  }, [isLink, exchange])

  // The same tab may be handed another link: only the fragment changes then.
  useEffect(() => {
    const onHash = () => {
      const token = takeToken()
      if (token !== null) void exchange(token)
    }
    window.addEventListener('hashchange', onHash)
    return () => window.removeEventListener('hashchange', onHash)
  }, [exchange])

  useEffect(() => {
    if (isLink) return
    if (slug === null) {
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
        if (!mayReturn(reason)) known.current = null
        setSession((now) => ({ kind: 'ended', reason, visit: now.kind === 'in' || now.kind === 'ended' ? now.visit : null }))
      },
    },
    () => !ended.current,
  )

  // EventSource does not say why it was refused: ask once whether the session
  // still stands, and stop knocking if it does not.
  useEffect(() => {
    if (events !== 'lost' || room === null) return
    const abort = new AbortController()
    getVisit(room, abort.signal).then(admit, (error: unknown) => {
      if (abort.signal.aborted) return
      const problem = problemOf(error)
      if (problem.status >= 400 && problem.status < 500 && problem.status !== 429) {
        known.current = null
        setSession({ kind: 'ended', reason: problem.type, visit: null })
      }
    })
    return () => abort.abort()
  }, [events, room, admit])

  // A countdown that reached its end asks for itself, should no event come.
  const visit = session.kind === 'in' ? session.visit : null
  const opensAt = visit?.state === 'not-open' ? visit.opens_at : null
  useEffect(() => {
    if (!opensAt || room === null) return
    const left = Date.parse(opensAt) - (Date.now() + clockOffset)
    const timer = setTimeout(() => void look(room), Math.min(Math.max(1000, left + 500), 2 ** 31 - 1))
    return () => clearTimeout(timer)
  }, [opensAt, room, clockOffset, look])

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
    leave: useCallback((forgets = false) => {
      if (forgets && known.current !== null) leave(known.current).catch(() => {})
      known.current = null
      setFacts(null)
      setPresence(null)
      setSession((now) => ({ kind: 'ended', reason: forgets ? 'forgotten' : 'left', visit: now.kind === 'in' ? now.visit : null }))
    }, []),
    comeBack: useCallback((slug) => void look(slug), [look]),
  }
}

/** The link has done what it can: no reload asks it again. */
function settled(): void {
  pendingToken = null
  forget(LINK, thisTab)
}
