// The names the pages use for the API's shapes. The shapes themselves are
// generated from docs/openapi.json (types.gen.ts), so they cannot drift; only
// words that the document gives as plain strings are made narrower here.
import type * as gen from './types.gen'

/** RFC 3339 in UTC. */
export type Time = string

/** application/problem+json: `type` is a short kebab-case word. */
export type ProblemBody = gen.Problem

type Narrow<T, By> = Omit<T, keyof By> & By

// ---- Live host

export type { AudioFacts, Playback, Person, Presence, VideoFacts, Visit } from './types.gen'
export type VisitState = gen.RoomState
export type VisitorRole = gen.Seat
export type Level = 'good' | 'notice' | 'warning' | 'error'
export type Hint = gen.Hint
export type StreamFacts = gen.StreamFacts

/** Why the event stream ended: of the stream itself, or found out by asking. */
export type EndedReason = 'room-closed' | 'room-expired' | 'session-ended'

// ---- Admin host

export type { AdminPatch, AdminRole, CreatedLink, CreatedRoom, Impact, Ingest, IngestAddress, Issue, NewAdmin, NewRoom, RoomPatch, RoomState, Scope, Series, StepView } from './types.gen'
export type Activity = gen.Activity
export type ActivityPage = gen.ActivityPage
export type Admin = gen.AdminView
export type AdminSession = gen.SessionView
export type ApiToken = gen.TokenView
export type IssueCode = gen.IssueCode
export type JournalEntry = Narrow<gen.JournalView, { outcome: 'done' | 'failed' | 'waiting' }>
export type Link = gen.LinkView
export type LogLine = gen.LogLine
export type Me = gen.MeView
export type Mode = gen.ModeName
export type NewApiToken = gen.CreatedToken
export type NewLink = gen.NewLink
/** A new point of the series, of the event stream. */
export interface Point {
  at: Time
  viewers: number
  bitrate: number
  reconcile_ms: number
}
export type Present = gen.Present
export type Profile = gen.ProfileView
export type RenderedFile = Narrow<gen.FileView, { state: 'same' | 'differs' | 'missing' | 'foreign' }>
export type Room = gen.RoomView
export type RoomLive = gen.LiveView
export type ServiceRole = gen.Role
export type ServiceStatus = Narrow<gen.ServiceStatus, { health: 'healthy' | 'starting' | 'unhealthy' | 'unknown' }>
export type Status = Narrow<gen.Status, { mode: Mode; services: ServiceStatus[] }>

/** Every list of the API, paged or not. */
export interface Page<T, N = string> {
  items: T[]
  next?: N | null
}
