// Dialogs keep what would be lost; a broken part leaves the rest; colours reach.
import { readFileSync } from 'node:fs'
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { act, useState } from 'react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Tokens } from '../src/admin/settings/Tokens'
import { keys } from '../src/admin/queries'
import { Problem } from '../src/api/request'
import { Sheet } from '../src/live/room/Sheet'
import { Boundary } from '../src/ui/Boundary'
import { type Question, useConfirm } from '../src/ui/Confirm'
import { CopyButton } from '../src/ui/CopyButton'
import { Dialog } from '../src/ui/Dialog'
import { say, sayProblem } from '../src/ui/Toasts'
import { dark, light } from '../src/ui/tokens'
import { house, json } from './house'

let world: ReturnType<typeof house>
beforeEach(() => {
  world = house()
})
afterEach(() => world.end())

const dialog = () => document.querySelector('dialog') as HTMLDialogElement

describe('a dialog', () => {
  it('closes by a press beside it, and by none that began in it', () => {
    const onClose = vi.fn()
    render(<Dialog title="Close now?" onClose={onClose}><p>text</p></Dialog>)
    // Its padding is a part of it; a selection that ends outside began inside.
    fireEvent.pointerDown(dialog().firstElementChild as Element)
    fireEvent.pointerDown(screen.getByText('text'))
    fireEvent.click(dialog())
    expect(onClose).not.toHaveBeenCalled()
    fireEvent.pointerDown(dialog())
    expect(onClose).toHaveBeenCalledTimes(1)
  })

  it('keeps what somebody typed', () => {
    const onClose = vi.fn()
    render(<Dialog title="New room" onClose={onClose}><input defaultValue="" aria-label="Name" /></Dialog>)
    fireEvent.change(screen.getByLabelText('Name'), { target: { value: 'Reel 4' } })
    fireEvent.pointerDown(dialog())
    expect(onClose).not.toHaveBeenCalled()
    fireEvent.change(screen.getByLabelText('Name'), { target: { value: '' } })
    fireEvent.pointerDown(dialog())
    expect(onClose).toHaveBeenCalled()
  })

  it('with a token, shown only now, is left by its button alone', async () => {
    world.client.setQueryData(keys.tokens, [])
    world.answer = (call) => (call.method === 'POST' ? json({ token: { id: 't', name: 'Board', scopes: [], created_at: '2026-11-23T10:00:00Z' }, secret: 'cs_secret' }, 201) : json({ items: [] }))
    render(<Tokens />, { wrapper: world.within })
    fireEvent.click(screen.getByText('New token'))
    fireEvent.submit(dialog().querySelector('form') as HTMLFormElement)
    await screen.findByText(/shown only now/)
    fireEvent.pointerDown(dialog())
    expect(screen.getByText(/shown only now/)).toBeTruthy()
    fireEvent.click(screen.getByText('Done'))
    expect(document.querySelector('dialog')).toBeNull()
  })
})

describe.each([['dialog', Dialog], ['sheet', Sheet]])('a %s that is closed by a button of its own', (_name, Modal) => {
  it('gives the focus back, and closes nothing that came after it', async () => {
    const closed = vi.fn()
    function Page() {
      const [open, setOpen] = useState(false)
      return (
        <>
          <button type="button" onClick={() => setOpen(true)}>
            Open
          </button>
          {open && (
            <Modal title="Keys" onClose={closed}>
              <button type="button" onClick={() => setOpen(false)}>
                Done
              </button>
            </Modal>
          )}
        </>
      )
    }
    render(<Page />)
    fireEvent.click(screen.getByText('Open'))
    // The browser hands the focus back at close(), and only while the dialog is in the page.
    const close = vi.spyOn(dialog(), 'close').mockImplementation(function (this: HTMLDialogElement) {
      expect(this.isConnected).toBe(true)
      this.dispatchEvent(new Event('close'))
    })
    fireEvent.click(screen.getByText('Done'))
    expect(close).toHaveBeenCalledTimes(1)
    expect(closed).not.toHaveBeenCalled()
  })
})

describe('a question that is closed before its answer is there', () => {
  const asking = (title: string) => {
    let settle = { done: () => {}, fails: (_error: unknown) => {} }
    const answer = new Promise<void>((done, fails) => (settle = { done, fails }))
    return { question: { title, body: '', verb: 'Go on', run: () => answer }, settle: () => settle }
  }
  function Page({ questions }: { questions: Question[] }) {
    const [confirm, ask] = useConfirm()
    return (
      <>
        {questions.map((one) => (
          <button key={one.title} type="button" onClick={() => ask(one)}>
            ask {one.title}
          </button>
        ))}
        {confirm}
      </>
    )
  }
  const begin = () => {
    const [close, archive] = [asking('Close?'), asking('Archive?')]
    render(<Page questions={[close.question, archive.question]} />, { wrapper: world.within })
    fireEvent.click(screen.getByText('ask Close?'))
    fireEvent.click(screen.getByText('Go on'))
    // Nothing is taken back by it any more.
    expect(screen.queryByText('Cancel')).toBeNull()
    fireEvent.click(screen.getByText('Close'))
    expect(document.querySelector('dialog')).toBeNull()
    fireEvent.click(screen.getByText('ask Archive?'))
    return close
  }

  it('still tells how it went wrong', async () => {
    const first = begin()
    await act(async () => first.settle().fails(new Problem({ title: 'Somebody was quicker', detail: 'Look again' })))
    expect(screen.getByText('Somebody was quicker. Look again.')).toBeTruthy()
    // Not as if the question that stands there now had been answered.
    expect(screen.queryByText('Somebody was quicker.')).toBeNull()
  })

  it('leaves the next question alone', async () => {
    const first = begin()
    await act(async () => first.settle().done())
    expect(screen.getByText('Archive?')).toBeTruthy()
    expect(screen.getByText('Go on')).toHaveProperty('disabled', false)
  })
})

describe('what is said', () => {
  afterEach(() => void vi.useRealTimers())

  it('goes by itself; what went wrong stays until it was read', () => {
    vi.useFakeTimers()
    render(<p>page</p>, { wrapper: world.within })
    act(() => {
      sayProblem(new Problem({ title: 'The room is locked', detail: 'Wait' }))
      for (const text of ['one', 'two', 'three', 'four']) say(text)
    })
    expect(screen.getByRole('status').textContent).toBe('twothreefour')
    act(() => vi.advanceTimersByTime(60_000))
    expect(screen.getByRole('status').textContent).toBe('')
    expect(screen.getByRole('alert').textContent).toContain('The room is locked. Wait.')
    fireEvent.click(screen.getByText('Dismiss'))
    expect(screen.queryByRole('alert')).toBeNull()
  })

  it('is said once, however often it happens', () => {
    render(<p>page</p>, { wrapper: world.within })
    act(() => [1, 2].forEach(() => sayProblem(new Problem({ title: 'The room is locked' }))))
    expect(screen.getAllByRole('alert')).toHaveLength(1)
  })

  it('stands in the dialog that is open: what is outside is out of reach', () => {
    const page = (open: boolean) => (
      <>
        {open && (
          <Dialog title="New room" onClose={() => {}}>
            text
          </Dialog>
        )}
      </>
    )
    const view = render(page(true), { wrapper: world.within })
    act(() => say('Copied'))
    expect(dialog().contains(screen.getByText('Copied'))).toBe(true)
    view.rerender(page(false))
    expect(screen.getByText('Copied').isConnected).toBe(true)
  })
})

describe('what the clipboard refuses', () => {
  it('is handed over selected, and stays until it is done with', async () => {
    world.shut = true
    render(<CopyButton text="rtmp://live/secret" what="RTMP address" />, { wrapper: world.within })
    fireEvent.click(screen.getByText('Copy'))
    const field = (await screen.findByLabelText('RTMP address')) as HTMLTextAreaElement
    expect([field.value, field.selectionStart, field.selectionEnd]).toEqual(['rtmp://live/secret', 0, 'rtmp://live/secret'.length])
    fireEvent.pointerDown(dialog())
    expect(screen.getByLabelText('RTMP address')).toBeTruthy()
    fireEvent.click(screen.getByText('Done'))
    expect(screen.queryByLabelText('RTMP address')).toBeNull()
  })
})

describe('a part that breaks', () => {
  it('says so, and what is beside it stays', () => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    const Broken = (): never => {
      throw new Error('x is undefined')
    }
    render(
      <>
        <nav>Rooms</nav>
        <Boundary>
          <Broken />
        </Boundary>
      </>,
    )
    expect(screen.getByRole('alert').textContent).toMatch(/^This page broke.*Load again$/)
    expect(screen.getByText('Rooms')).toBeTruthy()
    cleanup()
  })
})

describe('the colours', () => {
  it('of a key are those of the text around it, not paler', () => {
    // What is measured below is the token; opacity would take from it.
    expect(/export const kbd = .*/.exec(readFileSync('src/ui/ui.css.ts', 'utf8'))?.[0]).not.toContain('opacity')
  })

  const part = (value: number) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
  const luminance = (colour: string) => {
    const [r, g, b] = [1, 3, 5].map((at) => part(Number.parseInt(colour.slice(at, at + 2), 16) / 255)) as [number, number, number]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (a: string, b: string) => {
    const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x) as [number, number]
    return (high + 0.05) / (low + 0.05)
  }
  it.each([['light', light], ['dark', dark]])('of %s reach AA: text 4.5, the edge of a field 3', (_name, scheme) => {
    for (const ground of [scheme.ground, scheme.surface, scheme.hover]) {
      for (const text of [scheme.text, scheme.quiet]) expect(contrast(text, ground)).toBeGreaterThan(4.5)
    }
    // Lines of a diff or a log.
    for (const ground of [scheme.ground, scheme.sunken]) for (const text of [scheme.good, scheme.bad, scheme.accent]) expect(contrast(text, ground)).toBeGreaterThan(4.5)
    for (const ground of [scheme.ground, scheme.surface]) expect(contrast(scheme.edge, ground)).toBeGreaterThan(3)
    expect(contrast(scheme.onAccent, scheme.accent)).toBeGreaterThan(4.5)
  })
})
