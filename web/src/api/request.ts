import { heardTime } from '../shared/clock'
import { FIELD_NAME } from './fields'
import type { ProblemBody } from './types'

/** A refusal in words: what the server said, or that it could not be asked. */
export class Problem extends Error {
  readonly type: string
  readonly detail: string
  readonly status: number
  readonly retryAfter: number | null
  /** The one that was refused, where it was one. */
  readonly field: string | null
  /** Who invited, and to what, where the link that was refused may tell. */
  readonly host: string | null
  readonly room: string | null

  constructor(body: Partial<ProblemBody>, retryAfter: number | null = null) {
    // The server calls a field by its name, people by its label.
    const label = body.type === 'invalid' && body.field ? FIELD_NAME[body.field] : undefined
    super(label ? `${label}: ${body.detail}` : (body.title ?? 'That did not work'))
    this.name = 'Problem'
    this.type = body.type ?? 'unknown'
    this.detail = label ? '' : (body.detail ?? '')
    this.field = body.field ?? null
    this.status = body.status ?? 0
    this.retryAfter = body.retry_after ?? retryAfter
    this.host = body.invitation?.host ?? null
    this.room = body.invitation?.room ?? null
  }
}

/** Nobody refused: the server could not be asked, or could not answer. */
export const passes = ({ type, status }: Problem) => type === 'offline' || status >= 500

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

/** Nothing is waited for without an end; an older browser may know one signal only. */
function limited(signal: AbortSignal | undefined): AbortSignal {
  const end = AbortSignal.timeout(TIMEOUT_MS)
  if (signal === undefined) return end
  return 'any' in AbortSignal ? AbortSignal.any([signal, end]) : signal
}

/** One call of the API: JSON in, JSON out, every refusal a `Problem`. */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.body !== undefined) headers['content-type'] = 'application/json'
  if (options.etag !== undefined) headers['if-match'] = options.etag
  const asked = Date.now()
  let response: Response
  let text: string
  try {
    response = await fetch(path, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: limited(options.signal),
    })
    text = await response.text()
  } catch (cause) {
    if (options.signal?.aborted) throw cause
    throw new Problem({
      type: 'offline',
      title: 'The server cannot be reached',
      detail: 'Check your connection, then try again.',
    })
  }
  heardTime(response.headers.get('date'), asked)
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
  const retryAfter = Number(response.headers.get('retry-after')) || null
  const body = said(text)
  throw new Problem({ title: `The server answered ${response.status}`, ...body, status: response.status }, retryAfter)
}

/** The words of a refusal; who stands in front of the server may have others. */
function said(text: string): Partial<ProblemBody> {
  try {
    return JSON.parse(text) as Partial<ProblemBody>
  } catch {
    return {}
  }
}
