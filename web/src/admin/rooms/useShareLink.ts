import { useQueryClient } from '@tanstack/react-query'
import { createLink } from '../../api/admin'
import { problemOf } from '../../api/request'
import type { Room, VisitorRole } from '../../api/types'
import { copyText } from '../../shared/copy'
import { say } from '../../ui/Toasts'
import { keys } from '../queries'

/** Links are stored hashed, so a link to copy is a new link. */
export function useShareLink() {
  const client = useQueryClient()
  return async (room: Room, role: VisitorRole): Promise<void> => {
    const made = createLink(room.id, { name: '', role })
    const copied = copyText(made.then((link) => link.url))
    try {
      const link = await made
      void client.invalidateQueries({ queryKey: keys.links(room.id) })
      say((await copied) ? `A new ${role} link for ${room.title} is on your clipboard` : `Your browser keeps the clipboard shut. The link: ${link.url}`)
    } catch (error) {
      const problem = problemOf(error)
      say(`${problem.message}. ${problem.detail}`)
    }
  }
}
