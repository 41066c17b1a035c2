// The calls the portal makes. Reads are shared with the cache in
// admin/queries.ts; changes carry the etag of what was seen.
import { request } from './request'
import type {
  Activity, Admin, AdminRole, AdminSession, ApiToken, CreatedLink, CreatedRoom, Impact, Ingest, JournalEntry, Link, Me, Mode,
  NewAdmin, NewApiToken, NewLink, NewRoom, Page, Playback, Profile, RenderedFile, Room, RoomPatch, Scope, Series, ServiceRole, Status,
} from './types'

const V1 = '/api/v1'
const id = encodeURIComponent

export const getSetup = () => request<{ needed: boolean }>('GET', `${V1}/setup`)
export const setUp = (token: string, name: string, password: string) => request<void>('POST', `${V1}/setup`, { body: { token, name, password } })
export const logIn = (name: string, password: string) => request<void>('POST', `${V1}/login`, { body: { name, password } })
export const logOut = () => request<void>('POST', `${V1}/logout`)

export const getMe = () => request<Me>('GET', `${V1}/me`)
export const changePassword = (current: string, next: string) => request<void>('POST', `${V1}/me/password`, { body: { current, new: next } })
export const getSessions = () => request<Listed<AdminSession>>('GET', `${V1}/me/sessions`).then(items)
export const endSession = (session: string) => request<void>('DELETE', `${V1}/me/sessions/${id(session)}`)

export const getAdmins = () => request<Listed<Admin>>('GET', `${V1}/admins`).then(items)
export const addAdmin = (admin: NewAdmin) => request<Admin>('POST', `${V1}/admins`, { body: admin })
export const changeAdmin = (admin: Admin, role: AdminRole) => request<Admin>('PATCH', `${V1}/admins/${id(admin.id)}`, { body: { role }, etag: admin.etag })
export const removeAdmin = (admin: Admin) => request<void>('DELETE', `${V1}/admins/${id(admin.id)}`, { etag: admin.etag })

export const getTokens = () => request<Listed<ApiToken>>('GET', `${V1}/tokens`).then(items)
export const addToken = (name: string, scopes: Scope[]) => request<NewApiToken>('POST', `${V1}/tokens`, { body: { name, scopes } })
export const removeToken = (token: string) => request<void>('DELETE', `${V1}/tokens/${id(token)}`)

/** All rooms, however many pages they fill. */
export async function getRooms(archived: boolean): Promise<Page<Room>> {
  const all: Room[] = []
  for (let after: string | null | undefined; ; ) {
    const page: Page<Room> = await request('GET', `${V1}/rooms${query({ archived, after, limit: 200 })}`)
    all.push(...page.items)
    if (!page.next || page.next === after) return { items: all, next: null }
    after = page.next
  }
}
export const createRoom = (room: NewRoom) => request<CreatedRoom>('POST', `${V1}/rooms`, { body: room })
export const getRoom = (room: string) => request<Room>('GET', `${V1}/rooms/${id(room)}`)
export const changeRoom = (room: Room, patch: RoomPatch) => request<Room>('PATCH', `${V1}/rooms/${id(room.id)}`, { body: patch, etag: room.etag })
export const archiveRoom = (room: Room) => request<void>('DELETE', `${V1}/rooms/${id(room.id)}`, { etag: room.etag })
export const deleteRoom = (room: Room) => request<void>('DELETE', `${V1}/rooms/${id(room.id)}?forever=true`, { etag: room.etag })

export type RoomAction = 'open' | 'close' | 'restore' | 'duplicate' | 'rotate-key' | 'rotate-stream'
export const actOnRoom = (room: Room, action: RoomAction) => request<Room>('POST', `${V1}/rooms/${id(room.id)}/${action}`, { etag: room.etag })
export const getImpact = (room: string, action: RoomAction | 'archive' | 'delete') => request<Impact>('GET', `${V1}/rooms/${id(room)}/impact?action=${action}`)

export const getIngest = (room: string) => request<Ingest>('GET', `${V1}/rooms/${id(room)}/ingest`)
export const obsUrl = (room: string) => `${V1}/rooms/${id(room)}/obs`
export const getLinks = (room: string) => request<Listed<Link>>('GET', `${V1}/rooms/${id(room)}/links`).then(items)
export const createLink = (room: string, link: NewLink) => request<CreatedLink>('POST', `${V1}/rooms/${id(room)}/links`, { body: link })
export const revokeLink = (room: string, link: string) => request<void>('DELETE', `${V1}/rooms/${id(room)}/links/${id(link)}`)
export const getRoomActivity = (room: string) => request<Listed<Activity>>('GET', `${V1}/rooms/${id(room)}/activity?limit=30`).then(items)
export const getPreview = (room: string) => request<Playback>('POST', `${V1}/rooms/${id(room)}/preview`)
export const getProfiles = () => request<Listed<Profile>>('GET', `${V1}/profiles`).then(items)
export const suggestSlug = (title: string) => request<{ slug: string }>('GET', `${V1}/slug${query({ title })}`)
export const checkSlug = (slug: string) => request<{ free: boolean; why?: string | null }>('GET', `${V1}/slug/${id(slug)}`)

export const getStatus = () => request<Status>('GET', `${V1}/status`)
export const getJournal = (filter: { role?: string; outcome?: string; before?: number }) =>
  request<Listed<JournalEntry>>('GET', `${V1}/journal${query({ ...filter, limit: 50 })}`).then(items)
export const apply = (now: boolean, update_images = false) => request<void>('POST', `${V1}/apply`, { body: { now, update_images } })
export const backUp = () => request<void>('POST', `${V1}/backups`, { body: {} })
export const setMode = (mode: Mode) => request<void>('POST', `${V1}/mode`, { body: { mode } })
export const getFiles = () => request<Listed<RenderedFile>>('GET', `${V1}/files`).then(items)
export const getFile = (path: string) => request<RenderedFile>('GET', `${V1}/files/${path.split('/').map(id).join('/')}`)
const logsPath = (role: ServiceRole) => `${V1}/services/${role}/logs`
/** The last lines, then each as it comes: one stream, so that none is lost in between. */
export const followLogsUrl = (role: ServiceRole) => `${logsPath(role)}?tail=200&follow=true`
export const getSeries = () => request<Series>('GET', `${V1}/series`)
export const getAudit = () => request<Listed<Activity>>('GET', `${V1}/audit?limit=50`).then(items)
export const EVENTS_URL = `${V1}/events`

type Listed<T> = Page<T, number>
const items = <T>(answer: { items: T[] }): T[] => answer.items

function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}
