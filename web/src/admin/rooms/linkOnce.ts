// A link's address is answered once. Between making the room and showing it,
// it waits here, in memory only.
export interface Fresh {
  url: string
  /** Whether the browser let it onto the clipboard. */
  copied: boolean
}

const waiting = new Map<string, Fresh>()

export const handOver = (room: string, fresh: Fresh): void => void waiting.set(room, fresh)
export const freshLink = (room: string): Fresh | null => waiting.get(room) ?? null
export const forgetFresh = (room: string): void => void waiting.delete(room)
