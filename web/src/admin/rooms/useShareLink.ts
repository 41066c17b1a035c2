import { useQueryClient } from '@tanstack/react-query'
import { useRef } from 'react'
import { createLink } from '../../api/admin'
import type { Room, VisitorRole } from '../../api/types'
import { copyText } from '../../shared/copy'
import { isolated } from '../../shared/words'
import { copyByHand } from '../../ui/ByHand'
import { say, sayProblem } from '../../ui/Toasts'
import { keys } from '../queries'

/** Links are stored hashed, so a link to copy is a new link. */
export function useShareLink() {
  const client = useQueryClient()
  // A second click, while the first is answered, would make a second link.
  const making = useRef(false)
  return async (room: Room, role: VisitorRole): Promise<void> => {
    if (making.current) return
    making.current = true
    const made = createLink(room.id, { name: '', role })
    const copied = copyText(made.then((link) => link.url))
    try {
      const link = await made
      void client.invalidateQueries({ queryKey: keys.links(room.id) })
      if (await copied) say(`A new ${role} link for ${isolated(room.title)} is on your clipboard`)
      else copyByHand({ what: `The ${role} link for ${isolated(room.title)}`, text: link.url, once: true })
    } catch (error) {
      sayProblem(error)
    } finally {
      making.current = false
    }
  }
}
