import { useRef } from 'react'
import type { Playback } from '../../api/types'
import { stage as stageClass } from '../../live/player/stage.css'
import { usePlayer } from '../../live/player/usePlayer'

/** The live page's own player, silent, in a frame of pure black. */
export default function PreviewPlayer({ playback }: { playback: Playback }) {
  const stage = useRef<HTMLDivElement>(null)
  usePlayer(stage, playback)
  return (
    <div style={{ position: 'relative', aspectRatio: '16 / 9', background: '#000000', borderRadius: 8, overflow: 'hidden' }}>
      <div ref={stage} className={stageClass} />
    </div>
  )
}
