import { useMemo, useRef } from 'react'
import { getPreview } from '../../api/admin'
import type { Playback } from '../../api/types'
import { stage as stageClass } from '../../live/player/stage.css'
import { loadPlayer } from '../../live/player/load'
import { usePlayer } from '../../live/player/usePlayer'

/** The live page's own player, silent, in a frame of pure black. */
export default function PreviewPlayer({ room, playback }: { room: string; playback: Playback }) {
  const stage = useRef<HTMLDivElement>(null)
  // The ticket lasts a minute: every further try asks for another.
  const deps = useMemo(() => ({ load: loadPlayer, renew: () => getPreview(room) }), [room])
  const { phase } = usePlayer(stage, playback, deps)
  return (
    <div style={{ position: 'relative', aspectRatio: '16 / 9', background: '#000000', borderRadius: 8, overflow: 'hidden' }}>
      <div ref={stage} className={stageClass} />
      {phase !== 'playing' && (
        <p role="status" style={{ position: 'absolute', inset: 0, display: 'grid', placeItems: 'center', margin: 0, padding: 16, textAlign: 'center', color: '#8a8a8a' }}>
          {phase === 'reconnecting' ? 'The picture stopped. Reconnecting…' : 'The picture is coming…'}
        </p>
      )}
    </div>
  )
}
