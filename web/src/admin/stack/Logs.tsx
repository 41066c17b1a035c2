import { useEffect, useRef, useState } from 'react'
import { followLogsUrl, getLogs } from '../../api/admin'
import type { LogLine, ServiceRole } from '../../api/types'
import { useEventStream } from '../../shared/eventStream'
import { ProblemNote } from '../../ui/ProblemNote'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { SERVICE_NAME } from './Services'
import * as stack from './stack.css'

const KEEP = 1000

/** A container's own words, followed while shown; secrets are redacted by the server. */
export function Logs() {
  const [role, setRole] = useState<ServiceRole | null>(null)
  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>Logs</h2>
        <div className={stack.tabs}>
          {(Object.keys(SERVICE_NAME) as ServiceRole[]).map((one) => (
            <button key={one} type="button" className={stack.tab} aria-pressed={role === one} onClick={() => setRole(role === one ? null : one)}>
              {SERVICE_NAME[one]}
            </button>
          ))}
        </div>
      </div>
      {role ? <Follow key={role} role={role} /> : <p className={ui.quiet}>Choose a service to follow what it says.</p>}
    </section>
  )
}

function Follow({ role }: { role: ServiceRole }) {
  const [lines, setLines] = useState<LogLine[] | null>(null)
  const [error, setError] = useState<unknown>(null)
  const box = useRef<HTMLPreElement>(null)
  const atEnd = useRef(true)
  useEffect(() => {
    let gone = false
    getLogs(role).then((found) => !gone && setLines(found), (problem: unknown) => !gone && setError(problem))
    return () => {
      gone = true
    }
  }, [role])
  const state = useEventStream(lines === null ? null : followLogsUrl(role), {
    line: (line: LogLine) => setLines((all) => [...(all ?? []), line].slice(-KEEP)),
  })
  // Follows the end unless the reader has scrolled up to read.
  useEffect(() => {
    if (lines && atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [lines])
  if (error !== null) return <ProblemNote error={error} />
  return (
    <>
      <pre
        ref={box}
        className={stack.text}
        tabIndex={0}
        aria-label={`Log of ${SERVICE_NAME[role]}`}
        onScroll={(event) => {
          const { scrollTop, scrollHeight, clientHeight } = event.currentTarget
          atEnd.current = scrollHeight - scrollTop - clientHeight < 24
        }}
      >
        {(lines ?? []).map((line, i) => (
          <div key={i} className={line.stream === 'stderr' ? stack.diffLine.remove : undefined}>
            {line.text}
          </div>
        ))}
      </pre>
      <p className={`${ui.quiet} ${ui.small}`} role="status">
        {state === 'open' ? 'Following.' : lines === null ? 'Loading…' : 'Reconnecting…'}
      </p>
    </>
  )
}
