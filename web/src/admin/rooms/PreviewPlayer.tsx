import { useMemo, useRef } from 'react'
import { getPreview } from '../../api/admin'
import type { Playback } from '../../api/types'
import type { Phase } from '../../live/player/keeper'
import { stage as stageClass } from '../../live/player/stage.css'
import { loadPlayer } from '../../live/player/load'
import { usePlayer } from '../../live/player/usePlayer'
import * as ui from '../../ui/ui.css'

const WORDS: Partial<Record<Phase, string>> = {
  reconnecting: 'The picture stopped. Reconnecting…',
  'needs-tap': 'Your browser shows no picture until you ask for it.',
}

/** The live page's own player, silent, in a frame of pure black. */
export default function PreviewPlayer({ room, playback }: { room: string; playback: Playback }) {
  const stage = useRef<HTMLDivElement>(null)
  // The ticket lasts a minute: every further try asks for another.
  const deps = useMemo(() => ({ load: loadPlayer, renew: () => getPreview(room) }), [room])
  const { phase, tap } = usePlayer(stage, playback, deps)
  return (
    <div style={{ position: 'relative', aspectRatio: '16 / 9', background: '#000000', borderRadius: 8, overflow: 'hidden' }}>
      <div ref={stage} className={stageClass} />
      {phase !== 'playing' && (
        <div style={{ position: 'absolute', inset: 0, display: 'grid', placeContent: 'center', justifyItems: 'center', gap: 12, padding: 16, textAlign: 'center', color: '#8a8a8a' }}>
          <p role="status" style={{ margin: 0 }}>
            {WORDS[phase] ?? 'The picture is coming…'}
          </p>
          {phase === 'needs-tap' && (
            <button type="button" className={ui.button.plain} onClick={tap}>
              Show the picture
            </button>
          )}
        </div>
      )}
    </div>
  )
}
