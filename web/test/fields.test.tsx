// A field the server refuses: called by its label, marked, gone to.
import { readdirSync, readFileSync } from 'node:fs'
import { fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keys } from '../src/admin/queries'
import { RoomForm } from '../src/admin/rooms/RoomForm'
import { Tokens } from '../src/admin/settings/Tokens'
import { FIELD_NAME } from '../src/api/fields'
import { Problem } from '../src/api/request'
import { NameForm } from '../src/live/entry/NameForm'
import { PasscodeForm } from '../src/live/entry/PasscodeForm'
import type { Visit } from '../src/api/types'
import { first, house, json } from './house'

let world: ReturnType<typeof house>
beforeEach(() => {
  world = house()
})
afterEach(() => world.end())

const wrong = (field: string, detail: string) => ({ type: 'invalid', title: `\`${field}\` cannot be taken`, detail, status: 422, field })

/** Goes to the field and says what is wrong with it, in the words that stand on the page. */
function isMarked(control: Element, words: string): void {
  expect(control.getAttribute('aria-invalid')).toBe('true')
  expect(document.activeElement).toBe(control)
  expect(document.getElementById(control.getAttribute('aria-describedby') as string)?.textContent).toBe(words)
}

describe('a field that is refused', () => {
  it('has a label, whatever the server calls it', () => {
    const sources = readdirSync('../src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.rs'))
    const named = new Set<string>()
    for (const path of sources) {
      for (const [, name] of readFileSync(`../src/${path}`, 'utf8').matchAll(/(?:Wrong::new\(|one_line\(|Taken\(|\bhash\(&?app,)\s*"(\w+)"/g)) named.add(name as string)
    }
    expect(named.size).toBeGreaterThan(8)
    expect([...named].filter((name) => !(name in FIELD_NAME))).toEqual([])
  })

  it('is marked in the settings of a room, until it is typed in', async () => {
    world.client.setQueryData(keys.room('r1'), first())
    world.answer = () => json(wrong('expires_at', 'later than the room opens'), 422)
    render(<RoomForm room={first()} />, { wrapper: world.within })
    const ends = document.querySelector('[name=expires_at]') as HTMLInputElement
    fireEvent.input(ends, { target: { value: '2026-11-24T09:00' } })
    fireEvent.click(screen.getByText('Save'))
    await screen.findByRole('alert')
    isMarked(ends, 'Ends: later than the room opens.')
    fireEvent.input(ends, { target: { value: '2026-11-25T09:00' } })
    expect(ends.hasAttribute('aria-invalid')).toBe(false)
  })

  it('may be a group of boxes', async () => {
    world.client.setQueryData(keys.tokens, [])
    world.answer = () => json(wrong('scopes', 'choose at least one'), 422)
    render(<Tokens />, { wrapper: world.within })
    fireEvent.click(screen.getByText('New token'))
    fireEvent.submit(document.querySelector('dialog form') as HTMLFormElement)
    await screen.findByText('What it may do: choose at least one.')
    isMarked(document.querySelector('[name=scopes]') as Element, 'What it may do: choose at least one.')
  })

  it('is marked at the door, too', async () => {
    const refuse = () => Promise.reject(new Problem(wrong('name', 'at most 60 characters')))
    const view = render(<PasscodeForm slug="northlight" enter={refuse} />)
    const name = () => screen.getByLabelText('Your name, as others will see it')
    fireEvent.submit(name().closest('form') as HTMLFormElement)
    await screen.findByText(/^Name:/)
    isMarked(name(), 'Name: at most 60 characters.')
    view.unmount()
    render(<NameForm visit={{ title: 'Northlight', me: { name: 'Sam' } } as Visit} rename={refuse} />)
    fireEvent.submit(name().closest('form') as HTMLFormElement)
    await screen.findByText(/^Name:/)
    isMarked(name(), 'Name: at most 60 characters.')
  })

  it('is the passcode where room and passcode do not match', async () => {
    render(<PasscodeForm slug="northlight" enter={() => Promise.reject(new Problem({ type: 'passcode-wrong', status: 403 }))} />)
    fireEvent.submit(screen.getByLabelText('Passcode').closest('form') as HTMLFormElement)
    await waitFor(() => isMarked(screen.getByLabelText('Passcode'), 'Room and passcode do not match. Check both; capitals matter.'))
  })
})
