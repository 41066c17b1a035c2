import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Boundary } from '../src/shared/Boundary'
import { later } from '../src/shared/later'

const Panel = ({ name }: { name: string }) => <p>Panel of {name}</p>

beforeEach(() => {
  // React tells of what a boundary caught.
  vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(cleanup)

describe('a part that is fetched later', () => {
  it('shows once it is there', async () => {
    const Part = later(async () => ({ default: Panel }))
    render(<Part name="Maya" />)
    expect(await screen.findByText('Panel of Maya')).toBeTruthy()
  })

  it('that cannot be fetched takes nothing else down, and can be tried again', async () => {
    const load = vi.fn<() => Promise<{ default: typeof Panel }>>()
    load.mockRejectedValueOnce(new TypeError('Failed to fetch dynamically imported module'))
    load.mockResolvedValue({ default: Panel })
    const Part = later(load)
    render(
      <main>
        <p>Picture and call</p>
        <Boundary>
          <Part name="Maya" />
        </Boundary>
      </main>,
    )
    expect(await screen.findByText(/could not be loaded/)).toBeTruthy()
    expect(screen.getByText('Picture and call')).toBeTruthy()
    expect(screen.getByRole('button', { name: 'Reload the page' })).toBeTruthy()
    fireEvent.click(screen.getByRole('button', { name: 'Try again' }))
    expect(await screen.findByText('Panel of Maya')).toBeTruthy()
    expect(load).toHaveBeenCalledTimes(2)
  })

  it('is fetched once for all who show it', async () => {
    const load = vi.fn(async () => ({ default: Panel }))
    const Part = later(load)
    const view = render(<Part name="Maya" />)
    await screen.findByText('Panel of Maya')
    view.unmount()
    render(<Part name="Jonas" />)
    expect(screen.getByText('Panel of Jonas')).toBeTruthy()
    expect(load).toHaveBeenCalledTimes(1)
  })
})

describe('a boundary', () => {
  it('keeps what breaks while it is shown from the rest', async () => {
    const Broken = (): never => {
      throw new Error('broken')
    }
    render(
      <>
        <Boundary note="note" button="button">
          <Broken />
        </Boundary>
        <p>The other half</p>
      </>,
    )
    await waitFor(() => expect(screen.getByRole('alert').className).toBe('note'))
    expect(screen.getByText('The other half')).toBeTruthy()
  })
})
