// Pieces of the live page: the door, the words, the call, the divider, the mark.
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/api/request'
import type { Visit } from '../src/api/types'
import { Call } from '../src/live/call/Call'
import { list } from '../src/shared/words'
import { mediaWords, openMedia } from '../src/live/device/media'
import { networkWords } from '../src/live/device/network'
import { bitsPerChannel, readScreen, screenWords } from '../src/live/device/screen'
import { Notice } from '../src/live/entry/Notice'
import { PasscodeForm, roomName } from '../src/live/entry/PasscodeForm'
import { noticeFor, pictureWords } from '../src/live/notices'
import { Leave } from '../src/live/room/Leave'
import { Sheet } from '../src/live/room/Sheet'
import { cornerIsFree } from '../src/live/room/useClearSpace'
import { clampSplit } from '../src/live/room/useSplit'
import { isIntact, layWatermark } from '../src/live/room/watermark'

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
    expect(noticeFor('link-expired', 'Maya').text).toBe('Ask Maya for a new one.')
    expect(noticeFor('link-expired').text).toBe('Ask whoever invited you for a new one.')
  })
  it('exist for every problem and never show a code', () => {
    for (const type of ['link-unknown', 'link-expired', 'link-revoked', 'link-used-up', 'room-closed', 'room-full', 'session-ended', 'too-many-tries', 'offline', 'room-expired', 'cross-site', 'left', 'nonsense']) {
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
    render(<Call visit={visit} presence={null} way={null} />)
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
    render(<Call visit={{ ...visit, call: { available: false, why: "It is being restarted." } }} presence={null} way={null} />)
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
    ['coloured like the picture', (mark) => mark.style.setProperty('color', 'transparent')],
    ['moved away', (mark) => mark.style.setProperty('transform', 'translateX(-4000px)')],
    ['clipped', (mark) => mark.style.setProperty('clip-path', 'inset(50%)')],
    ['put behind the picture', (mark) => mark.style.setProperty('z-index', '-1')],
    ['filtered', (mark) => mark.style.setProperty('filter', 'opacity(0)')],
    ['made tiny', (mark) => mark.style.setProperty('font-size', '0')],
    ['emptied by its spans', (mark) => (mark.children[2] as HTMLElement).style.setProperty('visibility', 'hidden')],
    ['given a class', (mark) => mark.classList.add('gone')],
    ['hidden by attribute', (mark) => mark.setAttribute('hidden', '')],
  ])('tells when it is %s', async (_how, change) => {
    const { told, mark } = lay()
    change(mark)
    await waitFor(() => expect(told).toHaveBeenCalledTimes(1))
  })
})

describe('the watermark under a style sheet', () => {
  // No mutation tells of it: what the browser computes does.
  it.each([
    ['* { }', true],
    ['[data-watermark] { transform: scale(0) !important }', false],
    ['[data-watermark] { color: rgb(1, 2, 3) !important }', false],
    ['[data-watermark] { opacity: 0.01 !important }', false],
    ['[data-watermark] span { display: none !important }', false],
    ['[data-watermark] { mask-image: linear-gradient(transparent, transparent) !important }', false],
    ['.picture-box { z-index: 5 }', false],
  ])('%s', (rule, intact) => {
    const sheet = document.head.appendChild(document.createElement('style'))
    sheet.textContent = rule
    const stage = document.body.appendChild(document.createElement('div'))
    stage.appendChild(document.createElement('div')).className = 'picture-box'
    const stop = layWatermark(stage, 'Sam Okafor', () => {})
    expect(isIntact(stage, stage.lastElementChild as HTMLElement)).toBe(intact)
    stop()
    sheet.remove()
    stage.remove()
  })
})

describe('camera and microphone', () => {
  const track = (kind: string) => ({ kind, label: `The ${kind}` }) as MediaStreamTrack
  /** A browser with these devices, or the error each of them gives. */
  const browser = (devices: { video?: string | true; audio?: string | true }) => async (wanted: MediaStreamConstraints) => {
    const kinds = (['video', 'audio'] as const).filter((kind) => wanted[kind])
    for (const kind of kinds) if (devices[kind] !== true) throw new DOMException('no', devices[kind] ?? 'NotFoundError')
    const tracks = kinds.map(track)
    return { getTracks: () => tracks, getVideoTracks: () => tracks.filter((one) => one.kind === 'video'), getAudioTracks: () => tracks.filter((one) => one.kind === 'audio') } as MediaStream
  }
  it('are both found with one question', async () => {
    const ask = vi.fn(browser({ video: true, audio: true }))
    expect(await openMedia(ask)).toMatchObject({ camera: { track: { kind: 'video' } }, microphone: { track: { kind: 'audio' } } })
    expect(ask).toHaveBeenCalledTimes(1)
  })
  it('are told apart: a camera without a microphone is a camera', async () => {
    expect(await openMedia(browser({ video: true }))).toEqual({ camera: { track: track('video') }, microphone: { why: 'none' } })
    expect(await openMedia(browser({ audio: true }))).toEqual({ camera: { why: 'none' }, microphone: { track: track('audio') } })
    expect(await openMedia(browser({ video: 'NotReadableError', audio: true }))).toEqual({ camera: { why: 'taken' }, microphone: { track: track('audio') } })
    expect(await openMedia(browser({ video: 'NotAllowedError', audio: 'NotAllowedError' }))).toEqual({ camera: { why: 'refused' }, microphone: { why: 'refused' } })
    expect(await openMedia(null)).toEqual({ camera: { why: 'unsupported' }, microphone: { why: 'unsupported' } })
  })
  it('that are missing are not blamed on other programs', () => {
    for (const kind of ['camera', 'microphone'] as const) {
      expect(mediaWords(kind, 'none').fix).toMatch(/^Plug one in/)
      expect(mediaWords(kind, 'taken').fix).toMatch(/^Close other programs/)
      expect(mediaWords(kind, 'refused').fix).toContain(`Allow the ${kind}`)
    }
  })
})

describe('the network', () => {
  it('is judged by the picture that plays, and by nothing else', () => {
    const way = { phase: 'playing' as const, transport: 'llhls' as const, fallback: null }
    expect(networkWords(null)).toEqual({ light: 'unknown', line: 'Known once the picture plays', fix: '' })
    expect(networkWords({ ...way, phase: 'connecting', transport: null }).light).toBe('unknown')
    expect(networkWords({ ...way, transport: 'webrtc' }).light).toBe('good')
    expect(networkWords({ ...way, fallback: 'blocked' })).toMatchObject({ light: 'warning', fix: expect.stringContaining('UDP') })
    expect(networkWords({ ...way, fallback: 'refused' })).toMatchObject({ light: 'warning', fix: expect.not.stringContaining('UDP') })
  })
})

describe('the display', () => {
  it('counts three channels, whatever else is in the depth', () => {
    expect([24, 30, 32, 36, 48].map(bitsPerChannel)).toEqual([8, 10, 8, 12, 16])
  })
  it('is read and said honestly', () => {
    const p3 = readScreen((query) => query.includes('p3') || query.includes('srgb'))
    expect(screenWords(p3)).toMatchObject({ good: true, line: '8 bits per channel, Display P3' })
    expect(screenWords({ ...p3, gamut: 'unknown' }).good).toBe(false)
    expect(screenWords({ ...p3, hdr: true }).fix).toContain('HDR modes')
  })
})

describe('a sheet', () => {
  beforeEach(() => {
    HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
      this.open = true
    }
  })
  const open = () => {
    const close = vi.fn()
    render(
      <Sheet title="Keys" onClose={close}>
        <p>Some text</p>
      </Sheet>,
    )
    return { close, dialog: document.querySelector('dialog') as HTMLDialogElement, text: screen.getByText('Some text') }
  }
  it('closes when the page beside it is pressed', () => {
    const { close, dialog } = open()
    fireEvent.pointerDown(dialog)
    fireEvent.click(dialog)
    expect(close).toHaveBeenCalledTimes(1)
  })
  it('stays when text is marked and let go of beside it, and when it is pressed itself', () => {
    const { close, dialog, text } = open()
    fireEvent.pointerDown(text)
    fireEvent.click(dialog)
    expect(close).not.toHaveBeenCalled()
    // Its edge belongs to the sheet, not to the dialog.
    expect(text.parentElement?.parentElement).toBe(dialog)
    fireEvent.pointerDown(text.parentElement as HTMLElement)
    fireEvent.click(text.parentElement as HTMLElement)
    expect(close).not.toHaveBeenCalled()
  })
})

describe('leaving', () => {
  beforeEach(() => {
    HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
      this.open = true
    }
  })
  it('is asked first, and keeps the place unless this is not their computer', () => {
    const leave = vi.fn()
    const stay = vi.fn()
    render(<Leave onStay={stay} onLeave={leave} />)
    fireEvent.click(screen.getByRole('button', { name: 'Stay' }))
    expect(stay).toHaveBeenCalledTimes(1)
    expect(leave).not.toHaveBeenCalled()
    fireEvent.click(screen.getByRole('button', { name: 'Leave' }))
    fireEvent.click(screen.getByRole('button', { name: /forget me/ }))
    expect(leave.mock.calls).toEqual([[false], [true]])
  })
})

describe('every notice', () => {
  it.each(['link-unknown', 'link-expired', 'link-revoked', 'link-used-up', 'room-closed', 'room-expired', 'room-full', 'session-ended', 'left', 'forgotten', 'too-many-tries', 'cross-site', 'offline', 'nonsense'])('has something to press: %s', (type) => {
    const again = vi.fn()
    const enter = vi.fn()
    render(<Notice words={noticeFor(type, 'Maya')} about="Northlight" onAgain={again} onEnter={enter} />)
    fireEvent.click(screen.getByRole('button'))
    expect(again.mock.calls.length + enter.mock.calls.length).toBe(1)
    expect(screen.getByText('Northlight')).toBeTruthy()
  })
})
