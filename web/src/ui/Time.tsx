import { exact, relative } from '../shared/words'
import { useNow } from '../shared/useNow'

/** Relative in the text, exact on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow(15_000)
  return (
    <time dateTime={at} title={exact(at)}>
      {relative(at, now)}
    </time>
  )
}
