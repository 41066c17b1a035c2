import { button } from '../parts.css'
import { Sheet } from './Sheet'
import * as css from './room.css'

const KEYS = [
  ['m', 'sound on or off'],
  ['f', 'full screen'],
  ['c', 'hide or show the call'],
  ['i', 'picture quality: is it them or me?'],
  ['?', 'this help'],
] as const

export default function Help({ onClose }: { onClose: () => void }) {
  return (
    <Sheet title="Keys" onClose={onClose}>
      <dl className={css.keys}>
        {KEYS.map(([key, meaning]) => (
          <div key={key} style={{ display: 'contents' }}>
            <dt className={css.key}>{key}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p className={css.quiet} style={{ marginTop: 16 }}>
        Drag the line between picture and call to give either more room; a double click puts it back in the middle.
      </p>
      <div className={css.dialogEnd}>
        <button type="button" className={button} onClick={onClose}>
          Close
        </button>
      </div>
    </Sheet>
  )
}
