// From docs/openapi.json by `npm run types`; not to be edited.

/** What somebody did. */
export interface Activity {
  /** From which address. */
  address?: string | null
  /** When. */
  at: string
  /** Number, rising. */
  id: number
  room?: Id | null
  /** What, in words. */
  what: string
  /** Who. */
  who: string
}

/** A page of what people did. */
export interface ActivityPage {
  /** Newest first. */
  items: Activity[]
  /** For `before`, if there are more. */
  next?: number | null
}

/** Admins. */
export interface AdminList {
  /** Oldest first. */
  items: AdminView[]
}

export interface AdminPatch {
  name?: string | null
  password?: string | null
  role?: AdminRole | null
}

/** What an admin may do. */
export type AdminRole = "owner" | "producer" | "ops"

/** An admin. */
export interface AdminView {
  /** When they were added. */
  created_at: string
  /** What a change names in `If-Match`. */
  etag: string
  /** Identity. */
  id: Id
  /** Name. */
  name: string
  /** Role. */
  role: AdminRole
}

export interface Apply {
  /** Also what would interrupt somebody. */
  now?: boolean
  /** Also what the image tags name by now. */
  update_images?: boolean
}

/** The audio track. */
export interface AudioFacts {
  /** Bits per second. */
  bitrate: number
  /** Channels. */
  channels: number
  /** Such as `AAC`. */
  codec: string
  /** Samples per second. */
  sample_rate: number
}

/** A backup on disk. It has this name only because it was read back whole. */
export interface BackupFile {
  /** When it was made. */
  at: string
  /** Its size in bytes. */
  bytes: number
  /** Where it is. */
  path: string
  /** Why. */
  why: Why
}

/** What was made and what will be. */
export interface BackupList {
  failed?: Issue | null
  /** The last tries, newest first. */
  items: BackupView[]
  last?: BackupFile | null
  /** When the next is due. */
  next?: string | null
}

/** The backups that are made by themselves. */
export interface BackupStatus {
  last?: BackupFile | null
  /** When the next is due. */
  next?: string | null
}

/** One try. */
export interface BackupView {
  /** When. */
  at: string
  /** Its size in bytes, if it was made. */
  bytes?: number | null
  /** Why it was not made. */
  error?: string | null
  /** Whether it is still there. */
  here: boolean
  /** Where it is, or should be. */
  path: string
  /** Whether a passphrase is needed to open it. */
  sealed: boolean
  /** Who asked. */
  who: string
  /** `daily`, `asked` or `upgrade`. */
  why: string
}

export interface ByLink {
  name?: string | null
  token: string
}

export interface ByPasscode {
  name: string
  passcode: string
  slug: string
}

export interface CallUrl {
  /** On the call's host; good once, for a minute. */
  url: string
}

/** The call. */
export interface CallView {
  /** Whether it can be joined. */
  available: boolean
  /** Why not. */
  why?: string | null
}

/** The certificate of one name. */
export interface CertificateStatus {
  /** The name. */
  host: string
  /** Who signed the one Traefik has. */
  issuer?: string | null
  /** `good`, `ordered`, `held-back`, `failed`, `expired`, `unknown`. */
  state: string
  /** Until when that is good. */
  until?: string | null
}

/** A link with its address, answered once. */
export type CreatedLink = LinkView & {
  /** The address; its fragment is the token. */
  url: string
}

/** A room that was made. */
export interface CreatedRoom {
  link?: CreatedLink | null
  /** The room. */
  room: RoomView
}

/** A new API token with its secret, answered once. */
export interface CreatedToken {
  /** Its secret. */
  secret: string
  /** The token. */
  token: TokenView
}

/** The engine. */
export interface EngineStatus {
  /** Where it is sought. */
  address: string
  /** Such as `1.41`. */
  api_version?: string | null
  /** Whether it answers. */
  reachable: boolean
  /** Such as `28.2.2`. */
  version?: string | null
}

/** Rendered files. */
export interface FileList {
  /** By path. */
  items: FileView[]
}

/** A rendered file against what is on disk. */
export interface FileView {
  /** Unified, secrets hidden; with one file only. */
  diff?: string | null
  /** Relative to `state/rendered`. */
  path: string
  role?: Role | null
  /** `same`, `differs`, `missing`, `foreign`. */
  state: string
}

/** Something to change at the encoder. */
export interface Hint {
  /** One sentence: what to do. */
  fix: string
  /** `notice`, `warning` or `error`. */
  level: string
  /** One sentence: what. */
  what: string
  /** One sentence: why it matters. */
  why: string
}

/** Identity of a room, link, admin, visitor or token: stable, public, never a right by itself. */
export type Id = string

/** Whom an action interrupts. */
export interface Impact {
  /** People in the call. */
  callers: number
  /** Their names, as far as known. */
  names: string[]
  /** All these people, each counted once. */
  people: number
  /** Encoders. */
  publishers: number
  /** Viewers. */
  viewers: number
  /** People whose page is open and who neither watch nor talk. */
  waiting: number
  /** One sentence. */
  words: string
}

/** How to send a picture. */
export interface Ingest {
  /** The stream key. */
  key: string
  /** SRT's latency, in milliseconds. */
  latency_ms: number
  /** RTMP. */
  rtmp: IngestAddress
  rtmps?: IngestAddress | null
  /** SRT. */
  srt: IngestAddress
  /** WHIP. */
  whip: IngestAddress
}

/** One address. */
export interface IngestAddress {
  /** What goes into the field `Stream key`, where there is one. */
  key?: string | null
  /** What goes into the field `Server`. */
  server: string
  /** All in one. */
  url: string
}

/** Who invited, and to what. */
export interface Invitation {
  /** Who invited. */
  host?: string | null
  /** To which room, while the link holds. */
  room?: string | null
}

/** One thing that is wrong: a sentence, a cause, a way out. */
export interface Issue {
  /** Its stable name. */
  code: IssueCode
  /** One sentence: what to do about it, or that it mends itself and when. */
  fix: string
  role?: Role | null
  /** How much it matters. */
  severity: Severity
  /** What it is about: a container, port, path, image, or a room's slug. */
  subject: string
  /** One sentence: what. */
  what: string
  /** One sentence: why. */
  why: string
}

/** The name of an issue: stable, searchable, a heading in `docs/troubleshooting.md`. */
export type IssueCode = "engine-away" | "engine-too-old" | "engine-denied" | "image-missing" | "image-moved" | "simulated" | "name-taken" | "look-alike" | "port-taken" | "service-unhealthy" | "service-flapping" | "replacement-failed" | "call-unsafe" | "route-rejected" | "settings-invalid" | "template-invalid" | "state-unwritable" | "state-empty" | "two-controllers" | "store-failed" | "database-damaged" | "database-newer" | "backup-failed" | "public-address-unknown" | "certificate-invalid" | "certificate-pending" | "certificate-failed" | "certificate-expires" | "name-elsewhere" | "paused" | "encoder-settings" | "profile-missing"

/** A page of what the loop did. */
export interface JournalPage {
  /** Newest first. */
  items: JournalView[]
  /** For `before`, if there are more. */
  next?: number | null
}

/** What the loop did. */
export interface JournalView {
  /** When it began. */
  at: string
  /** What went wrong. */
  error?: string | null
  /** Number, rising. */
  id: number
  /** `done`, `failed`, or `waiting` while it goes on. */
  outcome: string
  /** The look it belongs to. */
  reconcile: number
  role?: Role | null
  /** How long it took, in milliseconds. */
  took_ms: number
  /** What was done. */
  what: string
  /** Its cause. */
  why: string
}

/** What was last done to a service: its start, or new routes. */
export interface LastChange {
  /** When. */
  at: string
  /** What was done, as the journal has it. */
  what: string
  /** Its cause. */
  why: string
}

/** Links of a room. */
export interface LinkList {
  /** Oldest first. */
  items: LinkView[]
}

/** A link, without its token. */
export interface LinkView {
  /** When it was made. */
  created_at: string
  /** Until when. */
  expires_at?: string | null
  /** Identity. */
  id: Id
  /** When its holder was last here. */
  last_seen?: string | null
  /** How many browsers it may let in. */
  max_uses?: number | null
  /** Whom it is for. */
  name: string
  /** It opens nothing any more. */
  revoked: boolean
  /** What it allows. */
  role: Seat
  /** How many it has let in. */
  uses: number
}

/** Who is live. */
export interface LiveCounts {
  /** People in a call. */
  callers: number
  /** Encoders that send. */
  streams: number
  /** People who watch. */
  viewers: number
}

/** Who is live in a room. */
export interface LiveView {
  /** People in the call. */
  callers: number
  facts?: StreamFacts | null
  /** Everybody who is there, each once; who neither watches nor talks waits. */
  people: Present[]
  /** Encoders. */
  publishers: number
  /** Since when. */
  since?: string | null
  /** Viewers. */
  viewers: number
}

/** A line of a container's log, redacted. */
export interface LogLine {
  /** When. */
  at?: string | null
  /** `stdout` or `stderr`. */
  stream: string
  /** The line. */
  text: string
}

/** Lines of a container's log. */
export interface LogList {
  /** Oldest first. */
  items: LogLine[]
}

export interface Login {
  name: string
  password: string
}

/** Who a visitor is. */
export interface Me {
  /** Public identity in this room. */
  id: Id
  /** Name shown to others. */
  name: string
  /** What they may do. */
  role: Seat
  /** `link` or `passcode`. */
  via: string
}

/** Who is logged in. */
export interface MeView {
  /** Identity. */
  id: Id
  /** Name. */
  name: string
  /** Role. */
  role: AdminRole
}

/** What is done about differences. */
export type ModeName = "heal" | "report" | "paused"

export interface Name {
  name: string
}

export interface NewAdmin {
  name: string
  password: string
  role: AdminRole
}

/** Nothing is chosen: where it goes and what seals it are the settings'. */
export type NewBackup = Record<string, unknown>

/** A new link. */
export interface NewLink {
  /** Until when. */
  expires_at?: string | null
  /** How many browsers it may let in. */
  max_uses?: number | null
  /** Whom it is for; empty = whoever. */
  name?: string
  /** What it allows. */
  role: Seat
}

export interface NewMode {
  mode: ModeName
}

export interface NewPassword {
  current: string
  new: string
}

/** A new room: the title is enough. */
export interface NewRoom {
  /** From where it may be watched. */
  allowed_addresses?: string[]
  /** When it ends. */
  expires_at?: string | null
  link?: NewLink | null
  /** When it opens. */
  opens_at?: string | null
  /** For entering by name. */
  passcode?: string | null
  /** Quality profile; the first when absent. */
  profile?: string | null
  /** The name in the address; made of the title when absent. */
  slug?: string | null
  /** Title. */
  title: string
  /** Most viewers. */
  viewer_cap?: number | null
  /** Whether the viewer's name lies over the picture. */
  watermark?: boolean
}

export interface NewToken {
  expires_at?: string | null
  name: string
  scopes: Scope[]
}

/** Somebody who is here. */
export interface Person {
  /** Public identity in this room. */
  id: Id
  /** Whether they are in the call. */
  in_call: boolean
  /** Whether it is this browser. */
  me: boolean
  /** Name. */
  name: string
  /** What they may do. */
  role: Seat
  /** Whether they watch. */
  watching: boolean
}

/** The way of the picture: the media service. */
export interface PictureView {
  /** Whether the media service is well. */
  available: boolean
  refused?: Refused | null
  /** Why not. */
  why?: string | null
}

/** The plan. */
export interface PlanView {
  /** What is wrong. */
  issues: Issue[]
  /** Its steps. */
  steps: StepView[]
}

/** Addresses of the picture. */
export interface Playback {
  /** LLHLS master playlist. */
  llhls: string
  /** WebRTC signalling. */
  webrtc: string
}

/** Who is here. */
export interface Presence {
  /** How many are in the call. */
  in_call: number
  /** Everybody with an open page. */
  people: Person[]
  /** How many watch. */
  watching: number
}

/** Somebody in a room, as the portal shows them. */
export interface Present {
  /** Whether they are in the call. */
  in_call: boolean
  link?: Id | null
  /** Name; empty for somebody whose link was revoked a moment ago. */
  name: string
  role?: Seat | null
  /** Whether they watch. */
  watching: boolean
}

/** A refusal. */
export interface Problem {
  /** What to do. */
  detail?: string
  /** Which field is wrong. */
  field?: string | null
  invitation?: Invitation | null
  /** Seconds to wait. */
  retry_after?: number | null
  /** The HTTP status. */
  status: number
  /** A sentence for a person. */
  title: string
  /** A short kebab-case word. */
  type: string
}

/** The quality profiles. */
export interface ProfileList {
  /** In the order of the settings; a new room gets the first. */
  items: ProfileView[]
}

/** A quality profile, as set in the settings file. */
export interface ProfileView {
  /** Bits per second of the sound over WebRTC. */
  audio_bitrate: number
  /** LLHLS: length of a part, in seconds. */
  chunk_seconds: number
  /** Below so many bits per second the encoder is said to be too slow. */
  min_bitrate?: number | null
  /** What rooms name it by. */
  name: string
  /** LLHLS: length of a segment, in seconds; key frames come at least so often. */
  segment_seconds: number
  /** What people read. */
  title: string
}

/** What keeps a visitor from the picture of an open room. */
export type Refused = "full" | "network"

/** What a container is for. There is one container per role. */
export type Role = "traefik" | "ovenmediaengine" | "mirotalk"

/** A page of rooms. */
export interface RoomPage {
  /** Newest first. */
  items: RoomView[]
  /** For `after`, if there are more. */
  next?: string | null
}

/** What changes in a room; `null` empties a field. */
export interface RoomPatch {
  /** From where it may be watched. */
  allowed_addresses?: string[] | null
  /** When it ends. */
  expires_at?: string | null
  /** When it opens. */
  opens_at?: string | null
  /** For entering by name. */
  passcode?: string | null
  /** Quality profile. */
  profile?: string | null
  /** The name in the address; the old one leads on for 30 days. */
  slug?: string | null
  /** Title. */
  title?: string | null
  /** Most viewers. */
  viewer_cap?: number | null
  /** Whether the viewer's name lies over the picture. */
  watermark?: boolean | null
}

/** What people see of a room's state. */
export type RoomState = "not-open" | "waiting" | "live" | "closed" | "expired"

/** Addresses of a room. */
export interface RoomUrls {
  /** For people, by name and passcode. */
  room: string
}

/** A room. */
export interface RoomView {
  /** From where it may be watched. */
  allowed_addresses: string[]
  /** Put away. */
  archived: boolean
  /** Closed by a person. */
  closed: boolean
  /** When it was made. */
  created_at: string
  /** What a change names in `If-Match`. */
  etag: string
  /** When it ends. */
  expires_at?: string | null
  /** Whether it can be entered by name. */
  has_passcode: boolean
  /** Identity. */
  id: Id
  /** What is wrong. */
  issues: Issue[]
  /** Who is live. */
  live: LiveView
  /** When it opens. */
  opens_at?: string | null
  /** Whose it is. */
  owner: Id
  /** Quality profile. */
  profile: string
  /** The name in the address. */
  slug: string
  /** State. */
  state: RoomState
  /** OME's stream name and MiroTalk's room name. */
  stream: string
  /** Title. */
  title: string
  /** Addresses. */
  urls: RoomUrls
  /** Most viewers. */
  viewer_cap?: number | null
  /** Whether the viewer's name lies over the picture. */
  watermark: boolean
}

/** What an API token may do. */
export type Scope = "rooms:read" | "rooms:write" | "stack:read" | "stack:write"

/** What a link lets its holder do. */
export type Seat = "presenter" | "viewer"

/** The last hour, one point per 10 s, oldest first. */
export interface Series {
  /** When the newest point was taken. */
  at?: string | null
  /** Bits per second that come in. */
  bitrate: (number | null)[]
  /** Milliseconds a look took. */
  reconcile_ms: (number | null)[]
  /** People who watch. */
  viewers: (number | null)[]
}

/** What the media server itself does with the stream. */
export interface ServerFacts {
  /** Bits per second that came in last. */
  bitrate_in: number
  /** Bits per second that went out last, to everybody together. */
  bitrate_out: number
  /** Connections that take the compatible way. */
  llhls: number
  /** Connections that take the direct way. */
  webrtc: number
}

/** One service. */
export interface ServiceStatus {
  /** Container's name. */
  container: string
  /** Whether it runs the specification wanted. */
  current: boolean
  /** `healthy`, `starting`, `unhealthy`, `unknown`. */
  health: string
  /** Reference wanted. */
  image: string
  /** What runs exactly: digest or image id. */
  image_id?: string | null
  last_change?: LastChange | null
  /** Pull under way: bytes had and known. */
  pulling?: [number, number] | null
  /** Which. */
  role: Role
  /** `absent`, `created`, `running`, `paused`, `restarting`, `exited`, `dead`. */
  running: string
  /** Whether the image is a stand-in. */
  simulated: boolean
  /** Since when it runs. */
  since?: string | null
  /** In its own words. */
  version?: string | null
  /** One clause: why it is as it is, or what it waits for. */
  why: string
}

/** Logins. */
export interface SessionList {
  /** The latest first. */
  items: SessionView[]
}

/** A login. */
export interface SessionView {
  /** From where. */
  address: string
  /** With which browser. */
  agent: string
  /** When it began. */
  created_at: string
  /** Whether it is this one. */
  current: boolean
  /** When it ends at the latest. */
  expires_at: string
  /** Identity. */
  id: Id
  /** When it was last used. */
  last_seen: string
}

export interface Setup {
  name: string
  password: string
  /** From the address printed at the first start. */
  token: string
}

export interface SetupNeeded {
  /** Whether nobody administers yet. */
  needed: boolean
}

/** How much it matters. */
export type Severity = "notice" | "warning" | "error"

export interface SlugCheck {
  /** Whether it can be taken. */
  free: boolean
  /** Why not. */
  why?: string | null
}

/** The state of everything, as of the last look. */
export interface Status {
  /** Public addresses: `live`, `admin`, `video`. */
  addresses: Record<string, string>
  /** When it was looked. */
  at?: string | null
  /** The backups. */
  backup?: BackupStatus
  /** The certificates of the three names; none where TLS is ended elsewhere. */
  certificates?: CertificateStatus[]
  /** The engine. */
  engine: EngineStatus
  /** Name of this ColourStream. */
  instance: string
  /** What is wrong. */
  issues: Issue[]
  /** Who is live. */
  live: LiveCounts
  /** What is done about differences: `heal`, `report` or `paused`. */
  mode: string
  /** When the next look is due at the latest. */
  next?: string | null
  /** What will be done, or waits. */
  plan: StepView[]
  /** Number of the look; also the reconcile id in the logs. */
  reconcile: number
  /** The three services. */
  services: ServiceStatus[]
  /** In one word: `ready`, `starting`, `degraded`, `waiting`, `paused`. */
  summary: Summary
  /** How long the look and its steps took, in milliseconds. */
  took_ms: number
  /** The command that makes a machine trust the local authority, where there is one. */
  trust?: string | null
  /** Version of the controller. */
  version: string
}

/** A step, for people. */
export interface StepView {
  /** Whether that comes by itself within seconds or minutes: health, a pull. */
  brief?: boolean
  /** `none`, `reload`, `streams`, `everything`. */
  disrupts: string
  /** `ground` or the service. */
  lane: string
  /** `+` create, `~` change, `-` remove, `⏸` waits. */
  sign: string
  /** What it waits for, in words. */
  waits?: string | null
  /** What is done. */
  what: string
  /** Its cause. */
  why: string
}

/** What the picture is like. */
export interface StreamFacts {
  audio?: AudioFacts | null
  /** How many people are in the call. */
  callers: number
  /** What should be changed at the encoder. */
  hints: Hint[]
  /** Since when there is a picture. */
  live_since?: string | null
  /** How the encoder sends: `rtmp`, `srt`, `webrtc`, `ovt`, or as OvenMediaEngine calls it. */
  protocol: string
  /** Whether data came within the last seconds. */
  receiving: boolean
  server?: ServerFacts | null
  video?: VideoFacts | null
  /** How many people watch. */
  viewers: number
}

export interface Suggestion {
  /** A name that is free. */
  slug: string
}

/** The stack in one word. */
export type Summary = "starting" | "ready" | "waiting" | "degraded" | "paused"

/** API tokens. */
export interface TokenList {
  /** Oldest first. */
  items: TokenView[]
}

/** An API token, without its secret. */
export interface TokenView {
  /** When it was made. */
  created_at: string
  /** Until when it works. */
  expires_at?: string | null
  /** Identity. */
  id: Id
  /** When it was last used. */
  last_used?: string | null
  /** What it is for. */
  name: string
  /** What it may do. */
  scopes: Scope[]
}

/** The video track. */
export interface VideoFacts {
  /** Whether there are B-frames. */
  b_frames: boolean
  /** Bits per second. */
  bitrate: number
  /** Such as `H264`. */
  codec: string
  /** Frames per second. */
  fps: number
  /** Pixels. */
  height: number
  /** Seconds between key frames, once two were seen. */
  keyframe_seconds?: number | null
  /** Pixels. */
  width: number
}

/** One browser in one room. */
export interface Visit {
  /** Whether to ask for a name first. */
  asks_name: boolean
  /** Whether the call can be joined. */
  call: CallView
  /** When it ends. */
  expires_at?: string | null
  /** Who invited. */
  invited_by?: string | null
  /** Who this browser is. */
  me: Me
  /** When it opens. */
  opens_at?: string | null
  /** Whether the picture can be passed on. */
  picture: PictureView
  playback?: Playback | null
  /** The server's clock, for a countdown. */
  server_time: string
  /** The name in the address. */
  slug: string
  /** State. */
  state: RoomState
  /** Title. */
  title: string
  watermark?: Watermark | null
}

/** What lies over the picture. */
export interface Watermark {
  /** The viewer's name. */
  text: string
}

/** Why a backup was made. */
export type Why = "daily" | "asked" | "upgrade"
