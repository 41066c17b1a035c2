// The portal's small picture says what holds it up.
import { cleanup, fireEvent, render, screen } from '@testing-library/react'
import { afterEach, expect, it, vi } from 'vitest'
import PreviewPlayer from '../src/admin/rooms/PreviewPlayer'
import type { Phase } from '../src/live/player/keeper'

afterEach(cleanup)

const player = { phase: 'connecting' as Phase, tap: vi.fn() }
vi.mock('../src/live/player/usePlayer', () => ({ usePlayer: () => player }))

const show = (phase: Phase) => {
  player.phase = phase
  render(<PreviewPlayer room="r1" playback={{ webrtc: 'wss://a/live/s?ticket=t', llhls: 'https://a/live/s/llhls.m3u8?ticket=t' }} />)
}

it('a browser that plays nothing by itself gets a button', () => {
  show('needs-tap')
  expect(screen.getByRole('status').textContent).toBe('Your browser shows no picture until you ask for it.')
  fireEvent.click(screen.getByText('Show the picture'))
  expect(player.tap).toHaveBeenCalledOnce()
})

it.each([
  ['connecting', 'The picture is coming…'],
  ['reconnecting', 'The picture stopped. Reconnecting…'],
] as const)('%s is told in words, without a button', (phase, words) => {
  show(phase)
  expect(screen.getByRole('status').textContent).toBe(words)
  expect(screen.queryByRole('button')).toBeNull()
})

it('nothing covers the picture while it plays', () => {
  show('playing')
  expect(screen.queryByRole('status')).toBeNull()
})
