import { cleanup, renderHook } from '@testing-library/react'
import { act } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openEventStream, useEventStream } from '../src/shared/eventStream'

class FakeSource {
  static made: FakeSource[] = []
  onopen: (() => void) | null = null
  onerror: (() => void) | null = null
  closed = false
  readonly url: string
  readonly listeners = new Map<string, (event: unknown) => void>()
  constructor(url: string) {
    this.url = url
    FakeSource.made.push(this)
  }
  addEventListener(name: string, listener: (event: unknown) => void) {
    this.listeners.set(name, listener)
  }
  close() {
    this.closed = true
  }
  send(name: string, payload: unknown) {
    this.listeners.get(name)?.({ data: JSON.stringify(payload) })
  }
}
const last = () => FakeSource.made.at(-1) as FakeSource

beforeEach(() => {
  vi.useFakeTimers()
  FakeSource.made = []
  vi.stubGlobal('EventSource', FakeSource)
})
afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('event stream', () => {
  it('hands each event to its handler and drops what is no JSON', () => {
    const seen: unknown[] = []
    const close = openEventStream('/events', { on: { visit: (visit) => seen.push(visit) } })
    last().send('visit', { slug: 'a' })
    last().listeners.get('visit')?.({ data: 'not json' })
    expect(seen).toEqual([{ slug: 'a' }])
    close()
    expect(last().closed).toBe(true)
  })

  it('reconnects later each time, and soon again after a success', () => {
    const close = openEventStream('/events', { on: {}, random: () => 0.5 })
    const gaps: number[] = []
    for (let i = 0; i < 6; i++) {
      const before = FakeSource.made.length
      last().onerror?.()
      let waited = 0
      while (FakeSource.made.length === before) {
        vi.advanceTimersByTime(100)
        waited += 100
      }
      gaps.push(waited)
    }
    expect(gaps).toEqual([500, 1000, 2000, 4000, 8000, 10_000])
    last().onopen?.()
    last().onerror?.()
    vi.advanceTimersByTime(500)
    expect(FakeSource.made).toHaveLength(8)
    close()
  })

  it('stops knocking when told that the session ended', () => {
    openEventStream('/events', { on: {}, mayReconnect: () => false })
    last().onerror?.()
    vi.advanceTimersByTime(60_000)
    expect(FakeSource.made).toHaveLength(1)
  })

  it('does not wait its turn when the network returns', () => {
    const close = openEventStream('/events', { on: {} })
    for (let i = 0; i < 4; i++) {
      last().onerror?.()
      vi.advanceTimersByTime(15_000)
    }
    last().onerror?.()
    const before = FakeSource.made.length
    window.dispatchEvent(new Event('online'))
    expect(FakeSource.made).toHaveLength(before + 1)
    close()
  })

  it('does not trust what it held before the network returned', () => {
    const close = openEventStream('/events', { on: {} })
    const first = last()
    first.onopen?.()
    window.dispatchEvent(new Event('online'))
    expect(first.closed).toBe(true)
    expect(FakeSource.made).toHaveLength(2)
    close()
    window.dispatchEvent(new Event('online'))
    expect(FakeSource.made).toHaveLength(2)
  })

  it('connects anew when a page is seen again in which nothing was heard for 20 s', () => {
    const close = openEventStream('/events', { on: {} })
    last().onopen?.()
    const seen = () => document.dispatchEvent(new Event('visibilitychange'))
    vi.setSystemTime(Date.now() + 15_000)
    last().send('ping', {})
    vi.setSystemTime(Date.now() + 19_000)
    seen()
    expect(FakeSource.made).toHaveLength(1)
    // Asleep: no timer ran.
    vi.setSystemTime(Date.now() + 2000)
    const visibility = vi.spyOn(document, 'visibilityState', 'get').mockReturnValue('hidden')
    seen()
    expect(FakeSource.made).toHaveLength(1)
    visibility.mockReturnValue('visible')
    seen()
    expect(FakeSource.made).toHaveLength(2)
    expect(FakeSource.made[0]?.closed).toBe(true)
    close()
  })

  it('that was told not to knock again does not', () => {
    openEventStream('/events', { on: {}, mayReconnect: () => false })
    last().onerror?.()
    window.dispatchEvent(new Event('online'))
    document.dispatchEvent(new Event('visibilitychange'))
    expect(FakeSource.made).toHaveLength(1)
  })

  it('takes silence for a loss where the server sends pings', () => {
    const close = openEventStream('/events', { on: {}, random: () => 0.5 })
    last().onopen?.()
    last().send('ping', {})
    vi.advanceTimersByTime(45_000 + 500)
    expect(FakeSource.made).toHaveLength(2)
    close()
  })

  it('keeps one connection over renders, with the newest handler', () => {
    const seen: string[] = []
    const hook = renderHook(({ name }) => useEventStream('/events', { visit: () => seen.push(name) }), { initialProps: { name: 'old' } })
    hook.rerender({ name: 'new' })
    act(() => last().onopen?.())
    act(() => last().send('visit', {}))
    expect(hook.result.current).toBe('open')
    expect(seen).toEqual(['new'])
    expect(FakeSource.made).toHaveLength(1)
    hook.unmount()
    expect(last().closed).toBe(true)
  })
})
