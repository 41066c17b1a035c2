// The API as agreed in docs/api.md, by hand until docs/openapi.json exists;
// then `npm run types` writes this file. Times are RFC 3339 in UTC.

export type Time = string

/** application/problem+json: `type` is a short kebab-case word. */
export interface ProblemBody {
  type: string
  title: string
  detail?: string
  status: number
  retry_after?: number
}

// ---- Live host

export type VisitState = 'not-open' | 'waiting' | 'live' | 'closed' | 'expired'
export type VisitorRole = 'presenter' | 'viewer'

export interface Visit {
  slug: string
  title: string
  state: VisitState
  opens_at?: Time | null
  expires_at?: Time | null
  server_time: Time
  me: { id: string; name: string; role: VisitorRole; via: 'link' | 'passcode' }
  playback: Playback | null
  call: { available: boolean; why?: string | null }
  watermark: { text: string } | null
  asks_name: boolean
  invited_by?: string | null
}

export interface Playback {
  webrtc: string
  llhls: string
}

export interface StreamFacts {
  live_since: Time | null
  protocol: string | null
  video: VideoFacts | null
  audio: AudioFacts | null
  receiving: boolean
  viewers: number
  callers: number
  hints: Hint[]
}

export interface VideoFacts {
  codec: string
  width: number
  height: number
  fps: number
  /** Bits per second. */
  bitrate: number
  keyframe_seconds: number | null
  b_frames: boolean | null
}

export interface AudioFacts {
  codec: string
  bitrate: number
  sample_rate: number
  channels: number
}

export type Level = 'good' | 'notice' | 'warning' | 'error'

export interface Hint {
  level: Level
  what: string
  why: string
  fix: string
}

export interface Person {
  id: string
  name: string
  role: VisitorRole
  watching: boolean
  in_call: boolean
  me: boolean
}

export interface Presence {
  people: Person[]
  watching: number
  in_call: number
}

// ---- Admin host

export type AdminRole = 'owner' | 'producer' | 'ops'

export interface Me {
  id: string
  name: string
  role: AdminRole
}

export interface AdminSession {
  id: string
  created_at: Time
  last_seen: Time
  expires_at: Time
  address: string
  agent: string
  current: boolean
}

export interface Admin {
  id: string
  etag: string
  name: string
  role: AdminRole
  created_at: Time
  last_seen?: Time | null
}

export type Scope = 'rooms:read' | 'rooms:write' | 'stack:read' | 'stack:write'

export interface ApiToken {
  id: string
  name: string
  scopes: Scope[]
  created_at: Time
  last_used?: Time | null
}

export interface NewApiToken {
  token: ApiToken
  /** Shown once. */
  secret: string
}

export type RoomState = 'not-open' | 'waiting' | 'live' | 'closed' | 'expired'

export interface Room {
  id: string
  etag: string
  title: string
  slug: string
  stream: string
  profile: string
  state: RoomState
  opens_at?: Time | null
  expires_at?: Time | null
  closed: boolean
  archived: boolean
  viewer_cap?: number | null
  allowed_addresses: string[]
  has_passcode: boolean
  watermark: boolean
  owner: string
  created_at: Time
  live: RoomLive
  urls: { room: string }
  issues: Issue[]
}

export interface RoomLive {
  since: Time | null
  publishers: number
  viewers: number
  callers: number
  facts?: StreamFacts | null
}

export interface Page<T> {
  items: T[]
  next: string | null
}

export interface NewRoom {
  title: string
  slug?: string
  profile?: string
  passcode?: string
  opens_at?: Time
  expires_at?: Time
  viewer_cap?: number
  allowed_addresses?: string[]
  watermark?: boolean
  link?: { name: string; role: VisitorRole }
}

export interface RoomPatch {
  title?: string
  slug?: string
  profile?: string
  passcode?: string | null
  opens_at?: Time | null
  expires_at?: Time | null
  viewer_cap?: number | null
  allowed_addresses?: string[]
  watermark?: boolean
}

export interface CreatedRoom {
  room: Room
  link?: CreatedLink
}

export interface Link {
  id: string
  name: string
  role: VisitorRole
  expires_at?: Time | null
  max_uses?: number | null
  uses: number
  revoked: boolean
  last_seen?: Time | null
  created_at: Time
}

export interface CreatedLink extends Link {
  /** Answered once; the token is in its fragment. */
  url: string
}

export interface NewLink {
  name: string
  role: VisitorRole
  expires_at?: Time
  max_uses?: number
}

export interface Impact {
  publishers: number
  viewers: number
  callers: number
  names: string[]
  /** One sentence: whom it interrupts. */
  words: string
}

export interface IngestAddress {
  server: string
  key?: string | null
  url: string
}

export interface Ingest {
  key: string
  rtmp: IngestAddress
  rtmps?: IngestAddress | null
  srt: IngestAddress
  whip: IngestAddress
  latency_ms: number
}

export interface Activity {
  id: number
  at: Time
  who: string
  what: string
  room?: string | null
  address?: string | null
}

export type ServiceRole = 'traefik' | 'ovenmediaengine' | 'mirotalk'

export interface Issue {
  code: string
  severity: 'notice' | 'warning' | 'error'
  role?: ServiceRole | null
  subject: string
  what: string
  why: string
  fix: string
}

/** src/reconcile/status.rs */
export interface Status {
  at: Time | null
  reconcile: number
  took_ms: number
  next: Time | null
  version: string
  instance: string
  summary: 'ready' | 'starting' | 'degraded' | 'waiting' | 'paused'
  mode: Mode
  engine: { address: string; reachable: boolean; version: string | null; api_version: string | null }
  services: ServiceStatus[]
  plan: StepView[]
  issues: Issue[]
  addresses: Record<string, string>
  live: { streams: number; viewers: number; callers: number }
}

export type Mode = 'heal' | 'report' | 'paused'

export interface ServiceStatus {
  role: ServiceRole
  container: string
  image: string
  image_id: string | null
  simulated: boolean
  running: string
  health: 'healthy' | 'starting' | 'unhealthy' | 'unknown'
  current: boolean
  version: string | null
  since: Time | null
  why: string
  pulling: [number, number] | null
}

export interface StepView {
  lane: string
  sign: string
  what: string
  why: string
  disrupts: string
  waits: string | null
}

export interface JournalEntry {
  id: number
  at: Time
  reconcile: number
  role: ServiceRole | null
  what: string
  why: string
  outcome: 'done' | 'failed' | 'waiting'
  took_ms: number
  error?: string | null
}

export interface RenderedFile {
  path: string
  /** Rendered against disk. */
  state: 'same' | 'differs' | 'missing' | 'foreign'
  role?: ServiceRole | null
  /** Unified, secrets hidden; only with one file. */
  diff?: string | null
}

export interface LogLine {
  at: Time | null
  stream: 'stdout' | 'stderr'
  text: string
}

/** The last hour, one point per 10 s, oldest first; null where nothing was measured. */
export interface Series {
  viewers: (number | null)[]
  bitrate: (number | null)[]
  reconcile_ms: (number | null)[]
}
