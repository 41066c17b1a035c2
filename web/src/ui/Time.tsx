import { duration, exact, relative } from '../shared/words'
import { useServerNow } from '../shared/clock'

/** Relative in the text, exact on hover. */
export function Ago({ at }: { at: string }) {
  const now = useServerNow(15_000)
  return (
    <time dateTime={at} title={exact(at)}>
      {relative(at, now)}
    </time>
  )
}

/** For how long, exact on hover. */
export function Age({ since }: { since: string }) {
  const now = useServerNow(15_000)
  return (
    <time dateTime={since} title={`since ${exact(since)}`}>
      {duration(now - Date.parse(since))}
    </time>
  )
}
