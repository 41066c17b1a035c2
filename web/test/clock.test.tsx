// A wrong watch on the admin's machine moves nothing.
import { cleanup, render, screen } from '@testing-library/react'
import { act } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { request } from '../src/api/request'
import { heardTime, serverNow } from '../src/shared/clock'
import { Ago } from '../src/ui/Time'

const NOON = Date.parse('2026-11-23T12:00:00Z')
/** The server says it is `at`; the watch of this machine says NOON. */
const ask = (at: number) => {
  vi.stubGlobal('fetch', async () => new Response('{}', { headers: { date: new Date(at).toUTCString() } }))
  return act(() => request('GET', '/api/v1/rooms'))
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOON })
})
afterEach(() => {
  heardTime(new Date(Date.now()).toUTCString(), Date.now())
  cleanup()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the server’s clock', () => {
  it('is that of every answer, and of every time that is shown', async () => {
    await ask(NOON - 3 * 3600_000)
    expect(Math.abs(serverNow() - (NOON - 3 * 3600_000))).toBeLessThan(1000)
    render(<Ago at={new Date(NOON - 4 * 3600_000).toISOString()} />)
    expect(screen.getByRole('time').textContent).toMatch(/^(59 min|1 h) ago$/)
  })

  it('is not followed second by second: what an answer takes is no other time', async () => {
    await ask(NOON + 1400)
    expect(serverNow()).toBe(NOON)
    await ask(NOON + 60_000)
    const first = serverNow()
    await ask(NOON + 61_000)
    expect(serverNow()).toBe(first)
    heardTime(null, NOON)
    heardTime('no date', NOON)
    expect(serverNow()).toBe(first)
  })
})
