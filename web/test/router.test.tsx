import { act, cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, describe, expect, it } from 'vitest'
import { go, Link, match, usePath } from '../src/shared/router'

afterEach(() => {
  cleanup()
  history.replaceState(null, '', '/')
})

describe('match', () => {
  it('takes parameters and decodes them', () => {
    expect(match('/rooms/:id', '/rooms/r%201')).toEqual({ id: 'r 1' })
    expect(match('/:slug', '/northlight/')).toEqual({ slug: 'northlight' })
    expect(match('/', '/')).toEqual({})
  })
  it('refuses another shape, and what cannot be decoded', () => {
    expect(match('/rooms/:id', '/rooms')).toBeNull()
    expect(match('/rooms/:id', '/stack/x')).toBeNull()
    expect(match('/:slug', '/%E0%A4%A')).toBeNull()
  })
})

function Where() {
  return <p>{usePath()}</p>
}

describe('the address bar', () => {
  it('is followed when it moves', () => {
    render(<Where />)
    act(() => go('/stack'))
    expect(screen.getByText('/stack')).toBeTruthy()
  })
  it('moves by a plain click only', () => {
    render(
      <>
        <Where />
        <Link href="/settings">Settings</Link>
      </>,
    )
    const link = screen.getByText('Settings')
    link.addEventListener('click', (event) => event.ctrlKey && event.preventDefault())
    fireEvent.click(link, { ctrlKey: true })
    expect(screen.getByText('/')).toBeTruthy()
    fireEvent.click(link)
    expect(screen.getByText('/settings')).toBeTruthy()
  })
})
