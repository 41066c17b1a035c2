// The preview's player is fetched when it is asked for, which may fail.
import { fireEvent, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Preview } from '../src/admin/rooms/Preview'
import { first, house, json } from './house'

vi.mock('../src/admin/rooms/PreviewPlayer', () => {
  throw new TypeError('Failed to fetch dynamically imported module')
})

let world: ReturnType<typeof house>
beforeEach(() => {
  // React tells of what a boundary caught.
  vi.spyOn(console, 'error').mockImplementation(() => {})
  world = house()
})
afterEach(() => world.end())

it('a preview that cannot be fetched takes nothing else of the room down', async () => {
  world.answer = () => json({ webrtc: 'wss://a/live/s?ticket=t', llhls: 'https://a/live/s/llhls.m3u8?ticket=t' })
  render(<Preview room={first()} now={Date.now()} />, { wrapper: world.within })
  fireEvent.click(screen.getByText('Show preview'))
  expect((await screen.findByRole('alert')).textContent).toMatch(/^This part could not be loaded\. .*Try again/)
  expect(screen.getByText('Encoder')).toBeTruthy()
  fireEvent.click(screen.getByText('Hide preview'))
  expect(screen.queryByRole('alert')).toBeNull()
})
