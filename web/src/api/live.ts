// The calls a visitor's page makes.
import { request } from './request'
import type { Visit } from './types'

const at = (slug: string, tail = '') => `/api/v1/session/${encodeURIComponent(slug)}${tail}`

export const exchangeLink = (token: string, name?: string) =>
  request<Visit>('POST', '/api/v1/session/link', { body: name === undefined ? { token } : { token, name } })

export const enterByPasscode = (slug: string, passcode: string, name: string) =>
  request<Visit>('POST', '/api/v1/session/passcode', { body: { slug, passcode, name } })

export const getVisit = (slug: string, signal?: AbortSignal) =>
  request<Visit>('GET', at(slug), signal === undefined ? {} : { signal })

export const setName = (slug: string, name: string) => request<Visit>('POST', at(slug, '/name'), { body: { name } })

/** A join is valid once, for 60 s: ask at the click, never before. */
export const mintCall = (slug: string) => request<{ url: string }>('POST', at(slug, '/call'))

export const leave = (slug: string) => request<void>('DELETE', at(slug))

export const eventsUrl = (slug: string) => at(slug, '/events')
