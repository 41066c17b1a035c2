import { useState } from 'react'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import { Ago } from '../../ui/Time'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { useJournal } from '../queries'
import { SERVICE_NAME } from './Services'
import * as stack from './stack.css'
import { took } from './took'

const DOT = { done: ui.dot.good, failed: ui.dot.bad, waiting: ui.dot.warning }

/** What was done, when, why and with what outcome. */
export function Journal() {
  const [role, setRole] = useState('')
  const [outcome, setOutcome] = useState('')
  const journal = useJournal(role, outcome)
  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>Journal</h2>
        <select className={ui.select} style={{ width: 170 }} aria-label="Service" value={role} onChange={(event) => setRole(event.target.value)}>
          <option value="">all services</option>
          {Object.entries(SERVICE_NAME).map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
        <select className={ui.select} style={{ width: 130 }} aria-label="Outcome" value={outcome} onChange={(event) => setOutcome(event.target.value)}>
          <option value="">any outcome</option>
          <option value="done">done</option>
          <option value="failed">failed</option>
          <option value="waiting">waiting</option>
        </select>
      </div>
      {journal.isLoadingError ? (
        <ProblemNote error={journal.error} onAgain={() => void journal.refetch()} />
      ) : journal.isPending ? (
        <SkeletonRows rows={4} height={32} />
      ) : journal.data.length === 0 ? (
        <p className={ui.quiet}>{role || outcome ? 'Nothing of that kind.' : 'Nothing was done yet.'}</p>
      ) : (
        <ul>
          {journal.data.map((entry) => (
            <li key={entry.id} className={stack.entry}>
              <span className={stack.entryWhen}>
                <Ago at={entry.at} />
              </span>
              <span className={DOT[entry.outcome]} role="img" aria-label={entry.outcome} />
              <span>
                {entry.what} <span className={ui.quiet}>· {entry.why}</span>
                {entry.error && <div className={ui.note.bad}>{entry.error}</div>}
              </span>
              <span className={stack.entryTook}>{took(entry.took_ms)}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
