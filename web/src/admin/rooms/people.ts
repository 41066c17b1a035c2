// Who is in a room, in words. Pure.
import type { Present } from '../../api/types'
import { list } from '../../shared/words'

/** What somebody is called; a revoked link takes the name with it. */
export const nameOfPerson = ({ name }: Present): string => name || 'Somebody without a link'

/** `watching and in the call`, `waiting`. */
export const doingWords = ({ watching, in_call }: Present): string =>
  watching && in_call ? 'watching and in the call' : watching ? 'watching' : in_call ? 'in the call' : 'waiting'

/** `In the room: Aiko Tanaka and Jonas Weber.`; nothing for nobody. */
export const hereWords = (people: Present[]): string => (people.length > 0 ? `In the room: ${list(people.map(nameOfPerson))}.` : '')

/** Whom a revoked link puts out, by name. */
export function revokeWords(people: Present[], uses: number): string {
  const names = people.map(nameOfPerson)
  if (names.length > 0) return `${list(names)} ${names.length === 1 ? 'is' : 'are'} in the room with it now and put out at once.`
  return uses > 0 ? `Nobody is in the room with it now. It let in ${uses === 1 ? 'one browser' : `${uses} browsers`}, which cannot come back with it.` : 'Nobody has used it yet. It will open nothing.'
}
