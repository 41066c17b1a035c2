// What a quality profile is for, in words: figures of the settings file in,
// a sentence out. Pure.
import type { Profile } from '../../api/types'
import { bitrate } from '../../shared/words'

export function profileWords(profile: Profile): string {
  // A player holds back three parts, and the last hop takes a little.
  const behind = Math.max(1, Math.round(profile.chunk_seconds * 3 + 0.3))
  const calm = behind <= 1 ? 'Quickest' : behind <= 2 ? 'For most reviews' : 'For poor networks'
  const parts = [`${calm}: about ${behind} s behind where direct media is blocked`, `a keyframe every ${profile.segment_seconds} s`, `sound at ${bitrate(profile.audio_bitrate)}`]
  if (profile.min_bitrate) parts.push(`warns below ${bitrate(profile.min_bitrate)}`)
  return `${parts.join(', ')}.`
}
