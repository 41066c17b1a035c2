// Pieces of the live page: the door, the words, the call, the divider, the mark.
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/api/request'
import type { Visit } from '../src/api/types'
import { Call, list } from '../src/live/call/Call'
import { readScreen, screenWords } from '../src/live/device/screen'
import { PasscodeForm, roomName } from '../src/live/entry/PasscodeForm'
import { noticeFor, pictureWords } from '../src/live/notices'
import { cornerIsFree } from '../src/live/room/useClearSpace'
import { clampSplit } from '../src/live/room/useSplit'
import { layWatermark } from '../src/live/room/watermark'

afterEach(() => {
  cleanup()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe('the door', () => {
  const fill = (passcode: string) => {
    fireEvent.change(screen.getByLabelText('Room'), { target: { value: 'https://live.example.com/Northlight' } })
    fireEvent.change(screen.getByLabelText('Passcode'), { target: { value: passcode } })
    fireEvent.change(screen.getByLabelText('Your name, as others will see it'), { target: { value: ' Sam ' } })
    fireEvent.submit(screen.getByLabelText('Room').closest('form') as HTMLFormElement)
  }
  it('hands over room, passcode and name, pasted addresses included', async () => {
    const enter = vi.fn(async () => {})
    render(<PasscodeForm slug={null} enter={enter} />)
    fill(' two words ')
    await waitFor(() => expect(enter).toHaveBeenCalledWith('northlight', ' two words ', 'Sam'))
  })
  it('says what to do about a wrong passcode', async () => {
    render(<PasscodeForm slug={null} enter={() => Promise.reject(new Problem({ type: 'passcode-wrong' }))} />)
    fill('x')
    expect(await screen.findByText(/do not match/)).toBeTruthy()
  })
  it('waits as long as it is told after too many tries', async () => {
    render(<PasscodeForm slug={null} enter={() => Promise.reject(new Problem({ type: 'too-many-tries', retry_after: 45 }))} />)
    fill('x')
    const button = await screen.findByText(/Try again in 4\d s/)
    expect((button as HTMLButtonElement).disabled).toBe(true)
  })
  it('understands what people paste', () => {
    expect(roomName('  /Northlight ')).toBe('northlight')
    expect(roomName('https://live.example.com/northlight?x#y')).toBe('northlight')
  })
})

describe('words', () => {
  it('name the host where one is known', () => {
    expect(noticeFor('expired', 'Maya').text).toBe('Ask Maya for a new one.')
    expect(noticeFor('link-expired').text).toBe('Ask whoever invited you for a new one.')
  })
  it('exist for every problem and never show a code', () => {
    for (const type of ['link-unknown', 'link-expired', 'link-revoked', 'link-used-up', 'room-closed', 'room-full', 'session-ended', 'too-many-tries', 'offline', 'closed', 'expired', 'revoked', 'left', 'nonsense']) {
      const { title, text } = noticeFor(type)
      expect(title).not.toContain('-')
      expect(text.length).toBeGreaterThan(10)
    }
  })
  it('tell waiting, stopped and reconnecting apart', () => {
    const state = { seen: false, phase: 'off', live: false, callOpen: true, offline: false }
    expect(pictureWords(state)).toBe('Waiting for the picture. The call is open.')
    expect(pictureWords({ ...state, seen: true })).toContain('The stream has ended.')
    expect(pictureWords({ ...state, seen: true, live: true, phase: 'reconnecting' })).toBe('The picture stopped. Reconnecting…')
    expect(pictureWords({ ...state, live: true, phase: 'playing' })).toBeNull()
  })
})

describe('the call', () => {
  const visit = { slug: 'northlight', call: { available: true } } as Visit
  it('asks for a URL at the click, frames it with the agreed permissions, and offers to rejoin', async () => {
    const fetched = vi.fn(async () => new Response(JSON.stringify({ url: 'about:blank?1' }), { status: 200 }))
    vi.stubGlobal('fetch', fetched)
    render(<Call visit={visit} presence={null} />)
    expect(fetched).not.toHaveBeenCalled()
    fireEvent.click(screen.getByText('Join the call'))
    const frame = (await screen.findByTitle('Call')) as HTMLIFrameElement
    expect(frame.getAttribute('allow')).toBe('camera; microphone; display-capture; autoplay; fullscreen; clipboard-write; picture-in-picture; speaker-selection; screen-wake-lock')
    expect(frame.hasAttribute('sandbox')).toBe(false)

    const tell = (source: Window | null, origin: string) => {
      const event = new MessageEvent('message', { data: { kind: 'colourstream:call', how: 'left' }, origin })
      Object.defineProperty(event, 'source', { value: source })
      window.dispatchEvent(event)
    }
    tell(frame.contentWindow, 'https://elsewhere.example')
    tell(null, location.origin)
    expect(screen.queryByTitle('Call')).toBeTruthy()
    tell(frame.contentWindow, location.origin)
    fireEvent.click(await screen.findByText('Join again'))
    await screen.findByTitle('Call')
    expect(fetched).toHaveBeenCalledTimes(2)
  })
  it('says why it is not available', () => {
    render(<Call visit={{ ...visit, call: { available: false, why: 'It is being restarted.' } }} presence={null} />)
    expect(screen.getByText('It is being restarted.')).toBeTruthy()
    expect(screen.queryByText('Join the call')).toBeNull()
  })
  it('lists people as people do', () => {
    expect(list(['A'])).toBe('A')
    expect(list(['A', 'B'])).toBe('A and B')
    expect(list(['A', 'B', 'C', 'D', 'E'])).toBe('A, B and 3 more')
  })
})

describe('the divider', () => {
  it('snaps to the exact middle and keeps both halves visible', () => {
    expect(clampSplit(0.512)).toBe(0.5)
    expect(clampSplit(0.01)).toBe(0.15)
    expect(clampSplit(0.7)).toBe(0.7)
  })
})

describe('the sound control', () => {
  it('lies below only where there is no picture', () => {
    expect(cornerIsFree({ width: 1440, height: 450 }, { width: 1920, height: 1080 })).toBe(true)
    expect(cornerIsFree({ width: 390, height: 422 }, { width: 1920, height: 1080 })).toBe(true)
    expect(cornerIsFree({ width: 1600, height: 900 }, { width: 1920, height: 1080 })).toBe(false)
  })
})

describe('the watermark', () => {
  const lay = () => {
    const stage = document.body.appendChild(document.createElement('div'))
    const told = vi.fn()
    const stop = layWatermark(stage, 'Sam Okafor', told)
    return { stage, told, stop, mark: stage.lastElementChild as HTMLElement }
  }
  it('is laid and taken away without alarm', async () => {
    const { stage, told, stop } = lay()
    expect(stage.textContent).toContain('Sam Okafor')
    stop()
    await new Promise((done) => setTimeout(done, 20))
    expect(stage.childElementCount).toBe(0)
    expect(told).not.toHaveBeenCalled()
  })
  it.each<[string, (mark: HTMLElement) => void]>([
    ['removed', (mark) => mark.remove()],
    ['made clear', (mark) => mark.style.setProperty('opacity', '0.01')],
    ['hidden', (mark) => mark.style.setProperty('display', 'none')],
    ['rewritten', (mark) => ((mark.firstElementChild as HTMLElement).textContent = '')],
  ])('tells when it is %s', async (_how, change) => {
    const { told, mark } = lay()
    change(mark)
    await waitFor(() => expect(told).toHaveBeenCalledTimes(1))
  })
})

describe('the display', () => {
  it('is read and said honestly', () => {
    const p3 = readScreen((query) => query.includes('p3') || query.includes('srgb'))
    expect(screenWords(p3)).toMatchObject({ good: true, line: '8 bits per channel, Display P3' })
    expect(screenWords({ ...p3, gamut: 'unknown' }).good).toBe(false)
    expect(screenWords({ ...p3, hdr: true }).fix).toContain('HDR modes')
  })
})
