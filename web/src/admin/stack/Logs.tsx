import { useEffect, useRef, useState } from 'react'
import { followLogsUrl } from '../../api/admin'
import type { LogLine, ServiceRole } from '../../api/types'
import { useEventStream } from '../../shared/eventStream'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { begun, EMPTY, type Log, withLines } from './logLines'
import { SERVICE_NAME } from './Services'
import * as stack from './stack.css'

/** Lines that come together are shown together. */
const TOGETHER_MS = 50

interface Props {
  role: ServiceRole | null
  onRole: (role: ServiceRole | null) => void
}

/** A container's own words, followed while shown; secrets are redacted by the server. */
export function Logs({ role, onRole }: Props) {
  return (
    <section className={css.section} id="logs">
      <div className={css.head}>
        <h2 className={css.h2}>Logs</h2>
        <div className={stack.tabs}>
          {(Object.keys(SERVICE_NAME) as ServiceRole[]).map((one) => (
            <button key={one} type="button" className={stack.tab} aria-pressed={role === one} onClick={() => onRole(role === one ? null : one)}>
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
  const [log, setLog] = useState<Log>(EMPTY)
  const coming = useRef<LogLine[]>([])
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const box = useRef<HTMLPreElement>(null)
  const atEnd = useRef(true)
  const show = () => {
    clearTimeout(timer.current)
    timer.current = undefined
    const more = coming.current
    coming.current = []
    if (more.length > 0) setLog((log) => withLines(log, more))
  }
  useEffect(() => () => clearTimeout(timer.current), [])
  const state = useEventStream(followLogsUrl(role), {
    line: (line: LogLine) => {
      coming.current.push(line)
      timer.current ??= setTimeout(show, TOGETHER_MS)
    },
  })
  // Each beginning repeats the last lines; what came before it stays apart.
  useEffect(() => {
    if (state !== 'connecting') return
    show()
    setLog(begun)
  }, [state])
  // Follows the end unless the reader has scrolled up to read.
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight
  }, [log])
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
        {log.lines.map((line, i) =>
          line === 'gap' ? (
            <div key={i} className={stack.gap}>
              The connection was lost here; lines may be missing.
            </div>
          ) : (
            <div key={i} className={line.stream === 'stderr' ? stack.diffLine.remove : undefined}>
              {line.text}
            </div>
          ),
        )}
      </pre>
      <p className={`${ui.quiet} ${ui.small}`} role="status">
        {state === 'open' ? 'Following.' : log.lines.length === 0 && state === 'connecting' ? 'Loading…' : 'Reconnecting…'}
      </p>
    </>
  )
}
