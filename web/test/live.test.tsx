// Pieces of the live page: the door, the words, the call, the divider, the mark.
import { readFileSync } from 'node:fs'
import { cleanup, fireEvent, render, renderHook, screen, waitFor } from '@testing-library/react'
import { act, useRef } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Problem } from '../src/api/request'
import type { Presence, Visit } from '../src/api/types'
import { Call } from '../src/live/call/Call'
import { useKeys } from '../src/shared/keys'
import { list } from '../src/shared/words'
import { mediaWords, openMedia } from '../src/live/device/media'
import { networkWords } from '../src/live/device/network'
import { bitsPerChannel, readScreen, screenWords } from '../src/live/device/screen'
import { NameForm } from '../src/live/entry/NameForm'
import { Notice } from '../src/live/entry/Notice'
import { PasscodeForm, roomName } from '../src/live/entry/PasscodeForm'
import { noticeFor, pictureWords } from '../src/live/notices'
import { OFF } from '../src/live/player/keeper'
import { Leave } from '../src/live/room/Leave'
import People from '../src/live/room/People'
import { Sheet } from '../src/live/room/Sheet'
import { useChrome } from '../src/live/room/useChrome'
import { cornerIsFree } from '../src/live/room/useClearSpace'
import { useFullScreen } from '../src/live/room/useFullScreen'
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
  it('is not covered by a keyboard on glass', () => {
    // Resizing what is seen, as browsers do unless told otherwise, brings the
    // field into sight; the page keeps its height, so the halves of a room stay.
    const viewport = /<meta name="viewport" content="([^"]*)"/.exec(readFileSync('live.html', 'utf8'))?.[1]
    expect(viewport).toMatch(/^width=device-width/)
    expect(viewport).not.toMatch(/interactive-widget=(?!resizes-visual)/)
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
    const state = { ...OFF, live: false, callOpen: true, offline: false, picture: { available: true }, host: 'Maya' }
    expect(pictureWords(state)).toBe('Waiting for the picture. The call is open.')
    expect(pictureWords({ ...state, seen: true })).toContain('The stream has ended.')
    expect(pictureWords({ ...state, seen: true, live: true, phase: 'reconnecting' })).toBe('The picture stopped. Reconnecting…')
    expect(pictureWords({ ...state, live: true, phase: 'playing' })).toBeNull()
    // There is a button instead.
    expect(pictureWords({ ...state, live: true, phase: 'needs-tap' })).toBeNull()
  })
  it('do not promise a picture that was refused, or has not come for long', () => {
    const state = { ...OFF, phase: 'connecting' as const, live: true, callOpen: true, offline: false, picture: { available: true }, host: 'Maya' }
    expect(pictureWords(state)).toBe('The picture is coming…')
    expect(pictureWords({ ...state, picture: { available: true, refused: 'full' } })).toBe('Every seat is taken. The picture comes by itself when somebody leaves, or ask Maya for a seat.')
    const outside = { ...state, picture: { available: true, refused: 'network' as const } }
    expect(pictureWords(outside)).toContain('certain networks only')
    expect(pictureWords({ ...outside, live: false, phase: 'off' })).toContain('certain networks only')
    expect(pictureWords({ ...outside, phase: 'playing' })).toBeNull()
    expect(pictureWords({ ...state, late: true, saw: 'blocked' })).toMatch(/^There is no picture yet\. .*VPN/)
    expect(pictureWords({ ...state, late: true, saw: 'unanswered', seen: true, phase: 'reconnecting' })).toMatch(/^The picture has not come back\. .*does not answer/)
    expect(pictureWords({ ...state, late: true, picture: { available: false, why: 'It is being started.' } })).toContain('It is being started. It is put right by itself.')
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
  describe('whose frame is dead', () => {
    let minted: number
    const join = async (answer = () => new Response(JSON.stringify({ url: `about:blank?${++minted}` }), { status: 200 })) => {
      minted = 0
      vi.stubGlobal('fetch', vi.fn(async () => answer()))
      const view = render(<Call visit={visit} presence={null} way={null} />)
      fireEvent.click(screen.getByText('Join the call'))
      const frame = (await screen.findByTitle('Call')) as HTMLIFrameElement
      return { view, frame }
    }
    const frame = () => screen.getByTitle('Call') as HTMLIFrameElement

    it('is joined again with another URL in another frame, the old one standing meanwhile', async () => {
      const { frame: old } = await join()
      fireEvent.click(screen.getByRole('button', { name: 'Rejoin the call' }))
      expect(frame()).toBe(old)
      await waitFor(() => expect(frame()).not.toBe(old))
      expect(frame().getAttribute('src')).toBe('about:blank?2')
    })
    it('stays as it is while there is no other, and says why', async () => {
      const { frame: old } = await join()
      vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ type: 'call-unavailable', title: 'The call is not ready yet', detail: 'It is starting; try again in a moment.' }), { status: 503 }))
      fireEvent.click(screen.getByRole('button', { name: 'Rejoin the call' }))
      expect((await screen.findByRole('alert')).textContent).toContain('The call is not ready yet')
      expect(frame()).toBe(old)
    })
    it('is joined again by itself when the call was away, and only by who was in it', async () => {
      const { view, frame: old } = await join()
      const seen = (available: boolean) => view.rerender(<Call visit={{ ...visit, call: { available } }} presence={null} way={null} />)
      seen(false)
      expect(frame()).toBe(old)
      seen(true)
      await waitFor(() => expect(frame()).not.toBe(old))
      expect(minted).toBe(2)
      view.unmount()
      const other = render(<Call visit={{ ...visit, call: { available: false } }} presence={null} way={null} />)
      other.rerender(<Call visit={visit} presence={null} way={null} />)
      expect(screen.queryByTitle('Call')).toBeNull()
      expect(minted).toBe(2)
    })
    it('does not take back who left while it asked', async () => {
      const { frame: old } = await join()
      let answer = (_response: Response) => {}
      vi.stubGlobal('fetch', () => new Promise<Response>((done) => (answer = done)))
      fireEvent.click(screen.getByRole('button', { name: 'Rejoin the call' }))
      const event = new MessageEvent('message', { data: { kind: 'colourstream:call', how: 'left' }, origin: location.origin })
      Object.defineProperty(event, 'source', { value: old.contentWindow })
      window.dispatchEvent(event)
      await screen.findByText('Join again')
      answer(new Response(JSON.stringify({ url: 'about:blank?9' }), { status: 200 }))
      await new Promise((done) => setTimeout(done, 20))
      expect(screen.queryByTitle('Call')).toBeNull()
    })
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

describe('names and titles', () => {
  it('keep their own direction and are not translated', () => {
    const presence = { watching: 1, people: [{ id: 'p1', name: 'نور', me: true, role: 'viewer', watching: true, in_call: false }] } as unknown as Presence
    render(<People presence={presence} />)
    const name = screen.getByText('نور')
    expect([name.getAttribute('dir'), name.getAttribute('translate'), name.className]).toEqual(['auto', 'no', 'notranslate'])
    expect(name.parentElement?.textContent).toBe('نور (you)')
    cleanup()
    render(<NameForm visit={{ title: 'Northlight', invited_by: 'Maya', me: { name: '' } } as Visit} rename={async () => {}} />)
    for (const given of ['Maya', 'Northlight']) expect(screen.getByText(given).getAttribute('translate')).toBe('no')
    expect(screen.getByText('Maya').parentElement?.textContent).toBe('Maya invites you to')
  })
})

describe('the divider', () => {
  it('snaps to the exact middle and keeps both halves visible', () => {
    expect(clampSplit(0.512)).toBe(0.5)
    expect(clampSplit(0.01)).toBe(0.15)
    expect(clampSplit(0.7)).toBe(0.7)
  })
})

describe('the full screen', () => {
  const asked = () => renderHook(() => useFullScreen({ current: document.body }, null)).result.current.toggle
  const may = (enabled: boolean | undefined) => Object.defineProperty(document, 'fullscreenEnabled', { value: enabled, configurable: true })
  afterEach(() => {
    may(undefined)
    Reflect.deleteProperty(HTMLVideoElement.prototype, 'webkitEnterFullscreen')
  })
  it('is offered where the browser has one: of the page, or on an iPhone of the unmarked video', () => {
    expect(asked()).toBeNull()
    may(true)
    expect(asked()).not.toBeNull()
    may(undefined)
    const enter = vi.fn()
    Object.defineProperty(HTMLVideoElement.prototype, 'webkitEnterFullscreen', { value: enter, configurable: true })
    // With a mark it would show the picture without it.
    expect(asked()).toBeNull()
    const video = document.createElement('video')
    renderHook(() => useFullScreen({ current: document.body }, () => video)).result.current.toggle?.()
    expect(enter).toHaveBeenCalledTimes(1)
  })
})

describe('the bar over the picture', () => {
  function Room({ pinned = false }: { pinned?: boolean }) {
    const bar = useRef<HTMLDivElement>(null)
    const { shown, inert } = useChrome(bar, pinned)
    return (
      <div ref={bar} data-testid="bar" data-shown={shown} inert={inert}>
        <button type="button">Leave</button>
      </div>
    )
  }
  const bar = () => screen.getByTestId('bar')
  const is = () => `${bar().dataset.shown} ${bar().inert}`
  const pass = (ms: number) => act(() => vi.advanceTimersByTime(ms))
  const move = (pointerType: string) => fireEvent(window, Object.assign(new Event('pointermove'), { pointerType }))
  beforeEach(() => void vi.useFakeTimers())

  it('fades 3 s after the last movement, out of reach of a resting mouse alone', () => {
    render(<Room />)
    move('mouse')
    pass(2900)
    expect(is()).toBe('true false')
    pass(200)
    expect(is()).toBe('false true')
    fireEvent.keyDown(window, { key: 'Tab' })
    expect(is()).toBe('true false')
    // A person without a mouse, or a screen reader, still finds it.
    pass(3100)
    expect(is()).toBe('false false')
    move('touch')
    pass(3100)
    expect(is()).toBe('false false')
  })

  it('stays as long as a key has the focus in it, and is never inert under a focus', () => {
    render(<Room />)
    const button = screen.getByText('Leave')
    const visible = vi.spyOn(bar(), 'querySelector').mockImplementation((wanted) => (wanted === ':focus-visible' ? button : null))
    button.focus()
    pass(9000)
    expect(is()).toBe('true false')
    visible.mockReturnValue(null)
    move('mouse')
    pass(3100)
    expect(is()).toBe('false false')
    button.blur()
    move('mouse')
    pass(3100)
    expect(is()).toBe('false true')
  })

  it('stays while a panel is open', () => {
    render(<Room pinned />)
    move('mouse')
    pass(9000)
    expect(is()).toBe('true false')
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
  it('is no text for a translator, and one at work elsewhere does not pause the picture', async () => {
    const { stage, told, mark, stop } = lay()
    expect([mark.getAttribute('translate'), mark.className]).toEqual(['no', 'notranslate'])
    // As Chrome does it: every piece of text it may translate is wrapped, and the page is marked.
    document.documentElement.classList.add('translated-ltr')
    const words = stage.parentElement?.appendChild(document.createElement('p')) as HTMLElement
    words.append('Waiting')
    words.firstChild?.replaceWith(Object.assign(document.createElement('font'), { textContent: 'En attente' }))
    await new Promise((done) => setTimeout(done, 20))
    expect([told.mock.calls.length, isIntact(stage, mark)]).toEqual([0, true])
    document.documentElement.classList.remove('translated-ltr')
    stop()
    words.remove()
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

describe('a key', () => {
  function Page({ onEscape }: { onEscape: () => void }) {
    useKeys({ Escape: onEscape })
    return null
  }
  it('is the dialog’s own while one is open', () => {
    const escape = vi.fn()
    render(<Page onEscape={escape} />)
    const dialog = document.body.appendChild(document.createElement('dialog'))
    dialog.open = true
    // Not refused: the browser closes the dialog by it.
    expect(fireEvent.keyDown(dialog, { key: 'Escape' })).toBe(true)
    expect(escape).not.toHaveBeenCalled()
    dialog.remove()
    fireEvent.keyDown(document.body, { key: 'Escape' })
    expect(escape).toHaveBeenCalledTimes(1)
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
    const giveUp = vi.fn(async () => {})
    const stay = vi.fn()
    render(<Leave onStay={stay} onLeave={leave} onGiveUp={giveUp} />)
    fireEvent.click(screen.getByRole('button', { name: 'Stay' }))
    expect(stay).toHaveBeenCalledTimes(1)
    expect(leave).not.toHaveBeenCalled()
    fireEvent.click(screen.getByRole('button', { name: 'Leave' }))
    fireEvent.click(screen.getByRole('button', { name: /forget me/ }))
    expect([leave.mock.calls.length, giveUp.mock.calls.length]).toEqual([1, 1])
  })
  it('says so while the place could not be given up, and tries again', async () => {
    const giveUp = vi.fn(() => Promise.reject(new Problem({ type: 'offline', title: 'The server cannot be reached', detail: 'Check your connection, then try again.' })))
    render(<Leave onStay={() => {}} onLeave={() => {}} onGiveUp={giveUp} />)
    fireEvent.click(screen.getByRole('button', { name: /forget me/ }))
    expect((await screen.findByRole('alert')).textContent).toContain('This browser still has its place. The server cannot be reached.')
    fireEvent.click(screen.getByRole('button', { name: /forget me/ }))
    expect(giveUp).toHaveBeenCalledTimes(2)
    expect(screen.queryByRole('alert')).toBeNull()
    await screen.findByRole('alert')
  })
})

describe('a notice', () => {
  it('names the tab and is read from its heading, each time anew', () => {
    const notice = (type: string) => <Notice words={noticeFor(type)} onAgain={() => {}} onEnter={() => {}} />
    const view = render(notice('room-closed'))
    expect([document.title, document.activeElement]).toEqual(['The room is closed', screen.getByRole('heading')])
    screen.getByRole('button').focus()
    view.rerender(notice('room-full'))
    expect([document.title, document.activeElement]).toEqual(['The room is full', screen.getByRole('heading')])
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
