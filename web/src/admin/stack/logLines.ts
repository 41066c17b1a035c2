// A log as it is shown, while its stream may break off and begin again: every
// beginning repeats the last lines, so what was seen already is known by its
// time. Pure.
import type { LogLine } from '../../api/types'

/** Where lines may be missing. */
export type Shown = LogLine | 'gap'

const KEEP = 1000

export interface Log {
  lines: Shown[]
  /** The stream began anew, and nothing of it was compared yet. */
  anew: boolean
}

export const EMPTY: Log = { lines: [], anew: false }

/** The stream begins (again). */
export const begun = (log: Log): Log => ({ ...log, anew: log.lines.length > 0 })

/** Takes up lines in the order they came. */
export function withLines(log: Log, more: LogLine[]): Log {
  let { anew } = log
  const lines = [...log.lines]
  for (const line of more) {
    const last = lines.findLast((one) => one !== 'gap' && one.at != null) as LogLine | undefined
    const since = compare(line.at, last?.at)
    if (since < 0 || (since === 0 && isShown(lines, line))) {
      // Seen already: what is shown and what comes are in one piece.
      anew = false
      continue
    }
    if (anew) lines.push('gap')
    anew = false
    lines.push(line)
  }
  return { lines: lines.slice(-KEEP), anew }
}

/** RFC 3339 in UTC, down to the nanosecond, of whatever length: as text. */
function compare(a: string | null | undefined, b: string | null | undefined): number {
  if (!a || !b) return 1
  const [x, y] = [padded(a), padded(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

const padded = (time: string) => {
  const [seconds = '', rest = ''] = time.replace(/Z$/, '').split('.')
  return `${seconds}.${rest.padEnd(9, '0')}`
}

const isShown = (lines: Shown[], line: LogLine): boolean =>
  lines.some((one) => one !== 'gap' && one.text === line.text && one.stream === line.stream && compare(one.at, line.at) === 0)
