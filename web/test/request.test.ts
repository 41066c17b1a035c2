// One call of the API: how long it waits, and what it makes of silence.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { request } from '../src/api/request'

/** A server that never says anything: only the signal ends the waiting. */
const silent = (_path: string, { signal }: RequestInit) => new Promise<Response>((_done, failed) => signal?.addEventListener('abort', () => failed(signal.reason)))

describe('a request', () => {
  let end: AbortController
  beforeEach(() => {
    // The platform's own clock does not follow a false one.
    end = new AbortController()
    vi.spyOn(AbortSignal, 'timeout').mockReturnValue(end.signal)
    vi.stubGlobal('fetch', silent)
  })
  afterEach(() => vi.unstubAllGlobals())

  it.each([['with', new AbortController().signal], ['without', undefined]])('ends by itself, %s a signal of its own', async (_how, signal) => {
    const asked = request('GET', '/x', signal ? { signal } : {})
    end.abort(new DOMException('', 'TimeoutError'))
    await expect(asked).rejects.toMatchObject({ type: 'offline', detail: 'Check your connection, then try again.' })
  })

  it('that was given up is no failure of the server', async () => {
    const given = new AbortController()
    const asked = request('GET', '/x', { signal: given.signal })
    given.abort()
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('whose answer breaks off says that the server cannot be reached', async () => {
    vi.stubGlobal('fetch', async () => new Response(new ReadableStream({ start: (stream) => stream.error(new TypeError('gone')) })))
    await expect(request('GET', '/x')).rejects.toMatchObject({ type: 'offline' })
  })

  it('answered by somebody in front of the server has a status and words all the same', async () => {
    vi.stubGlobal('fetch', async () => new Response('<h1>Bad gateway</h1>', { status: 502 }))
    await expect(request('GET', '/x')).rejects.toMatchObject({ status: 502, message: 'The server answered 502' })
  })
})
