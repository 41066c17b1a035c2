// Dialogs keep what would be lost; a broken part leaves the rest; colours reach.
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Tokens } from '../src/admin/settings/Tokens'
import { keys } from '../src/admin/queries'
import { Boundary } from '../src/ui/Boundary'
import { CopyButton } from '../src/ui/CopyButton'
import { Dialog } from '../src/ui/Dialog'
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
