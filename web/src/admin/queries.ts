// Server state: one hook per thing the portal shows. The event stream
// (useLiveEvents) writes into the same cache.
import { notifyManager, type Query, type QueryClient, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import * as api from '../api/admin'
import { problemOf } from '../api/request'
import type { JournalEntry, Page, Point, Room, Series, Status } from '../api/types'
import { type StreamState, useEventStream } from '../shared/eventStream'
import { withPoint } from './stack/series'

export const keys = {
  me: ['me'] as const,
  rooms: (archived: boolean) => ['rooms', archived] as const,
  room: (id: string) => ['room', id] as const,
  links: (id: string) => ['links', id] as const,
  activity: (id: string) => ['activity', id] as const,
  ingest: (id: string) => ['ingest', id] as const,
  status: ['status'] as const,
  journal: (role: string, outcome: string) => ['journal', role, outcome] as const,
  profiles: ['profiles'] as const,
  files: ['files'] as const,
  file: (path: string) => ['file', path] as const,
  series: ['series'] as const,
  sessions: ['sessions'] as const,
  admins: ['admins'] as const,
  tokens: ['tokens'] as const,
  audit: ['audit'] as const,
}

export const useMe = () => useQuery({ queryKey: keys.me, queryFn: api.getMe, staleTime: Number.POSITIVE_INFINITY })
export const useSetupNeeded = (enabled: boolean) =>
  useQuery({ queryKey: ['setup'], queryFn: api.getSetup, enabled, select: ({ needed }) => needed })
export const useRooms = (archived: boolean) =>
  useQuery({ queryKey: keys.rooms(archived), queryFn: () => api.getRooms(archived), select: (page) => page.items })
export const useRoom = (id: string) => useQuery({ queryKey: keys.room(id), queryFn: () => api.getRoom(id) })
export const useLinks = (id: string) => useQuery({ queryKey: keys.links(id), queryFn: () => api.getLinks(id) })
export const useActivity = (id: string) => useQuery({ queryKey: keys.activity(id), queryFn: () => api.getRoomActivity(id) })
export const useIngest = (id: string, enabled: boolean) => useQuery({ queryKey: keys.ingest(id), queryFn: () => api.getIngest(id), enabled })
export const useStatus = () => useQuery({ queryKey: keys.status, queryFn: api.getStatus })
export const useJournal = (role: string, outcome: string) =>
  useQuery({ queryKey: keys.journal(role, outcome), queryFn: () => api.getJournal({ role, outcome }) })
export const useSeries = () => useQuery({ queryKey: keys.series, queryFn: api.getSeries })
export const useProfiles = () => useQuery({ queryKey: keys.profiles, queryFn: api.getProfiles, staleTime: Number.POSITIVE_INFINITY })
export const useFiles = () => useQuery({ queryKey: keys.files, queryFn: api.getFiles })
export const useSessions = () => useQuery({ queryKey: keys.sessions, queryFn: api.getSessions })
export const useAdmins = (enabled: boolean) => useQuery({ queryKey: keys.admins, queryFn: api.getAdmins, enabled })
export const useTokens = (enabled: boolean) => useQuery({ queryKey: keys.tokens, queryFn: api.getTokens, enabled })

/** Nobody answered, or a gateway did in its place: while the server starts anew, asking again helps. */
export function mayAskAgain(failures: number, error: unknown): boolean {
  const { type, status } = problemOf(error)
  return failures < 5 && (type === 'offline' || (type === 'unknown' && status >= 502 && status <= 504))
}

// A page shows an error in place of itself only where it has nothing to show
// (`isLoadingError`); what could not be asked anew stays, and is told once.
const isStale = ({ state }: Query) => state.status === 'error' && state.data !== undefined

/** Whether something on the page could not be brought up to date; the second asks for it again. */
export function useStale(): [boolean, () => void] {
  const client = useQueryClient()
  const cache = client.getQueryCache()
  const stale = useSyncExternalStore(
    (told) => cache.subscribe(notifyManager.batchCalls(told)),
    () => cache.findAll({ type: 'active', predicate: isStale }).length > 0,
  )
  return [stale, () => void client.refetchQueries({ type: 'active', predicate: isStale })]
}

/** Puts a changed room everywhere it is shown. */
export function keepRoom(client: QueryClient, room: Room): void {
  client.setQueryData(keys.room(room.id), room)
  for (const archived of [false, true]) {
    client.setQueryData<Page<Room>>(keys.rooms(archived), (page) => {
      if (!page) return page
      const others = page.items.filter((one) => one.id !== room.id)
      if (room.archived !== archived) return { ...page, items: others }
      const at = page.items.findIndex((one) => one.id === room.id)
      return { ...page, items: at < 0 ? [room, ...others] : page.items.with(at, room) }
    })
  }
}

/** Takes rooms that were deleted from everywhere; a page of theirs asks, and says so. */
export function dropRooms(client: QueryClient, ids: string[]): void {
  for (const archived of [false, true]) {
    client.setQueryData<Page<Room>>(keys.rooms(archived), (page) => page && { ...page, items: page.items.filter(({ id }) => !ids.includes(id)) })
  }
  for (const id of ids) {
    for (const queryKey of [keys.room(id), keys.links(id), keys.activity(id), keys.ingest(id)]) client.removeQueries({ queryKey, type: 'inactive' })
    void client.invalidateQueries({ queryKey: keys.room(id) })
  }
}

/** Changes come in bursts: what follows from them is asked once after. */
const SETTLED_MS = 300

/** Status, rooms, journal and figures as they change, for as long as the portal is open. */
export function useLiveEvents(): StreamState {
  const client = useQueryClient()
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  // Files, diffs and the journal (a step that went on has ended, a filter may
  // take what is new) follow from looks; asked for only while shown.
  const settle = () => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      for (const key of ['files', 'file', 'journal']) void client.invalidateQueries({ queryKey: [key] })
    }, SETTLED_MS)
  }
  const state = useEventStream(
    api.EVENTS_URL,
    {
      status: (status: Status) => {
        client.setQueryData(keys.status, status)
        settle()
      },
      point: (point: Point) => {
        const before = client.getQueryData<Series>(keys.series)
        const after = before && withPoint(before, point)
        if (after) client.setQueryData(keys.series, after)
        else void client.invalidateQueries({ queryKey: keys.series })
      },
      rooms: (changed: Room[]) => {
        for (const room of changed) {
          keepRoom(client, room)
          // Who came in by which link, and what was done; asked for only while shown.
          void client.invalidateQueries({ queryKey: keys.links(room.id) })
          void client.invalidateQueries({ queryKey: keys.activity(room.id) })
        }
      },
      gone: (ids: string[]) => dropRooms(client, ids),
      journal: (entries: JournalEntry[]) => {
        const newest = entries.toSorted((a, b) => b.id - a.id)
        client.setQueryData<JournalEntry[]>(keys.journal('', ''), (old) => old && [...newest, ...old.filter((one) => !newest.some(({ id }) => id === one.id))].slice(0, 200))
        settle()
      },
    },
    () => {
      // Asked before each reconnect: a session that ended shows the login.
      api.getMe().catch((error: unknown) => {
        if (problemOf(error).status === 401) void client.resetQueries({ queryKey: keys.me })
      })
      return true
    },
  )
  // What changed while it was lost was told to nobody here.
  const wasLost = useRef(false)
  useEffect(() => {
    if (state === 'lost') wasLost.current = true
    else if (state === 'open' && wasLost.current) {
      wasLost.current = false
      void client.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== keys.me[0] && queryKey[0] !== 'setup' })
    }
  }, [state, client])
  return state
}
