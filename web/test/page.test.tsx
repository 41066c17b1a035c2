// The live page as a whole, before anybody is in.
import { cleanup, render, screen } from '@testing-library/react'
import { act } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LivePage } from '../src/live/LivePage'

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms))

describe('the live page', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    localStorage.clear()
    sessionStorage.clear()
    history.replaceState(null, '', '/northlight')
  })
  afterEach(() => {
    cleanup()
    vi.unstubAllGlobals()
    vi.useRealTimers()
    history.replaceState(null, '', '/')
  })

  it('has a word for a server that takes its time, and none for one that does not', async () => {
    vi.stubGlobal('fetch', () => new Promise<Response>(() => {}))
    render(<LivePage />)
    await pass(900)
    expect(screen.queryByText('Opening…')).toBeNull()
    await pass(200)
    expect(screen.getByText('Opening…')).toBeTruthy()
  })

  it.each([
    ['nobody answers', () => Promise.reject(new TypeError('network')), 'Check your connection. This page tries again by itself.'],
    ['the server cannot', async () => new Response('', { status: 502 }), 'Nothing to do: this page tries again by itself.'],
    ['it was refused', async () => new Response('{"type":"cross-site","title":"no","status":403}', { status: 403 }), 'Open your link again, in a tab of its own.'],
  ])('says that it tries again by itself only where it does: %s', async (_why, answer, words) => {
    vi.stubGlobal('fetch', answer)
    render(<LivePage />)
    await pass(1)
    expect(screen.getByText(words)).toBeTruthy()
  })
})
