import type { Activity } from '../api/types'
import { Ago } from '../ui/Time'
import * as ui from '../ui/ui.css'
import * as style from './timeline.css'

/** Who did what, newest first. */
export function ActivityList({ entries }: { entries: Activity[] }) {
  return (
    <ul>
      {entries.map((entry) => (
        <li key={entry.id} className={style.line}>
          <span className={style.when}>
            <Ago at={entry.at} />
          </span>
          <span>
            <strong className={style.who} dir="auto">{entry.who}</strong> <span className={ui.quiet}>·</span> {entry.what}
            {entry.address && <span className={ui.quiet}> from {entry.address}</span>}
          </span>
        </li>
      ))}
    </ul>
  )
}
