// Whether direct media (UDP) gets through: known from the real picture, and
// from nothing else. No server is asked for it; that would be a third party.
import type { PlayerView } from '../player/keeper'

export type Way = Pick<PlayerView, 'phase' | 'transport' | 'fallback'>

export function networkWords(way: Way | null): { light: 'good' | 'warning' | 'unknown'; line: string; fix: string } {
  if (way?.phase !== 'playing') return { light: 'unknown', line: 'Known once the picture plays', fix: '' }
  if (way.transport === 'webrtc') return { light: 'good', line: 'Direct media gets through', fix: '' }
  if (way.fallback === 'blocked') return { light: 'warning', line: 'Direct media does not get through', fix: 'Most often a network, a VPN or a firewall blocks UDP. The picture still comes, about 2 s later; the call may fail.' }
  return { light: 'warning', line: 'The picture takes the compatible way', fix: 'It comes about 2 s later. The page tries direct media again by itself.' }
}
