// The server's clock as the answers tell it: rooms open and end by it, whatever
// the watch of this machine says.
import { useNow } from './useNow'

// `Date` counts whole seconds, and answers take their time.
const NEAR_MS = 2000

let offset = 0

/** An answer to what was asked at `asked` says what time it is. */
export function heardTime(date: string | null, asked: number): void {
  const said = Date.parse(date ?? '')
  if (Number.isNaN(said)) return
  const found = said + 500 - (asked + Date.now()) / 2
  if (Math.abs(found) < NEAR_MS) offset = 0
  else if (Math.abs(found - offset) > NEAR_MS) offset = found
}

export const serverNow = (): number => Date.now() + offset

export const useServerNow = (everyMs?: number): number => useNow(everyMs, offset)
