import type { ProblemBody } from './types'

/** A refusal in words: what the server said, or that it could not be asked. */
export class Problem extends Error {
  readonly type: string
  readonly detail: string
  readonly status: number
  readonly retryAfter: number | null
  /** Who invited, and to what, where the link that was refused may tell. */
  readonly host: string | null
  readonly room: string | null

  constructor(body: Partial<ProblemBody>, retryAfter: number | null = null) {
    super(body.title ?? 'That did not work')
    this.name = 'Problem'
    this.type = body.type ?? 'unknown'
    this.detail = body.detail ?? ''
    this.status = body.status ?? 0
    this.retryAfter = body.retry_after ?? retryAfter
    this.host = body.invitation?.host ?? null
    this.room = body.invitation?.room ?? null
  }
}

export const problemOf = (error: unknown): Problem =>
  error instanceof Problem
    ? error
    : new Problem({ type: 'page-error', title: 'Something on this page went wrong', detail: 'Reload the page and try again.' })

export interface RequestOptions {
  body?: unknown
  etag?: string
  signal?: AbortSignal
}

const TIMEOUT_MS = 15_000

/** One call of the API: JSON in, JSON out, every refusal a `Problem`. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (options.etag !== undefined) headers['if-match'] = options.etag
  let response: Response
  try {
    response = await fetch(path, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal ?? AbortSignal.timeout(TIMEOUT_MS),
    })
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new Problem({
      type: 'offline',
      title: 'The server cannot be reached',
      detail: 'Check your connection. This page tries again by itself.',
    })
  }
  if (response.ok) {
    if (response.status === 204) return undefined as T
    const text = await response.text()
    return (text === '' ? undefined : JSON.parse(text)) as T
  }
  const retryAfter = Number(response.headers.get('retry-after')) || null
  const body = (await response.json().catch(() => ({}))) as Partial<ProblemBody>
  throw new Problem({ title: `The server answered ${response.status}`, ...body, status: response.status }, retryAfter)
}
