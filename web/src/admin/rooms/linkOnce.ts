// A link's address is answered once. Between making the room and showing it,
// it waits here, in memory only.
const waiting = new Map<string, string>()

export const handOver = (room: string, url: string): void => void waiting.set(room, url)
export const freshLink = (room: string): string | null => waiting.get(room) ?? null
export const forgetFresh = (room: string): void => void waiting.delete(room)
