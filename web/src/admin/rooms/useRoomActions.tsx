import { useQueryClient } from '@tanstack/react-query'
import * as api from '../../api/admin'
import type { Impact, Room } from '../../api/types'
import { isolated, list } from '../../shared/words'
import { go } from '../../shared/router'
import type { Question } from '../../ui/Confirm'
import { say, sayProblem } from '../../ui/Toasts'
import { keepRoom, keys } from '../queries'

type Ask = (question: Question | null) => void

interface Ritual {
  impact: Parameters<typeof api.getImpact>[1]
  title: (room: Room) => string
  /** What it means, besides whom it interrupts. */
  means: string
  verb: string
  done: (room: Room) => string
}

const RITUALS = {
  close: { impact: 'close', title: () => 'Close now?', means: 'Links stop working until you open it again. The encoder is refused.', verb: 'Close the room', done: (room) => `${isolated(room.title)} is closed` },
  'rotate-key': { impact: 'rotate-key', title: () => 'New stream key?', means: 'The encoder needs the new key before it can send again.', verb: 'Make a new key', done: () => 'The old key is refused from now on' },
  'rotate-stream': { impact: 'rotate-stream', title: () => 'Everybody out?', means: 'All pages and calls of this room end, and every link is revoked. Make new links for those who should come back.', verb: 'Everybody out', done: () => 'Everybody is out' },
  archive: { impact: 'archive', title: (room) => `Archive ${isolated(room.title)}?`, means: 'It leaves the list and nobody can enter. You can bring it back from the archive.', verb: 'Archive', done: (room) => `${isolated(room.title)} is in the archive` },
  delete: { impact: 'delete', title: (room) => `Delete ${isolated(room.title)} for ever?`, means: 'Its links and its activity go with it. This cannot be undone.', verb: 'Delete for ever', done: (room) => `${isolated(room.title)} is deleted` },
} satisfies Record<string, Ritual>

export type Interrupting = keyof typeof RITUALS

/** Everything that can be done to a room; what interrupts somebody asks first, and names them. */
export function useRoomActions(ask: Ask) {
  const client = useQueryClient()

  const perform = async (room: Room, action: Interrupting): Promise<void> => {
    if (action === 'archive' || action === 'delete') {
      if (!room.archived) await api.archiveRoom(room)
      // Only what is in the archive is deleted; being put there changed it.
      if (action === 'delete') await api.deleteRoom(room.archived ? room : await api.getRoom(room.id))
      void client.invalidateQueries({ queryKey: ['rooms'] })
      client.removeQueries({ queryKey: keys.room(room.id) })
      go('/')
    } else {
      const changed = await api.actOnRoom(room, action)
      keepRoom(client, changed)
      if (action === 'rotate-stream') void client.invalidateQueries({ queryKey: keys.links(room.id) })
      if (action === 'rotate-key') void client.invalidateQueries({ queryKey: keys.ingest(room.id) })
      void client.invalidateQueries({ queryKey: keys.activity(room.id) })
    }
  }

  // After a refusal: what was shown was perhaps not what is.
  const refresh = (room: Room) => {
    for (const queryKey of [keys.room(room.id), ['rooms']]) void client.invalidateQueries({ queryKey })
  }
  const told = async (room: Room, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      sayProblem(error)
      refresh(room)
    }
  }

  return {
    /** Asks with the names of those it interrupts. */
    async interrupt(room: Room, action: Interrupting): Promise<void> {
      const ritual: Ritual = RITUALS[action]
      const impact = await api.getImpact(room.id, ritual.impact).catch(() => null)
      ask({
        title: ritual.title(room),
        body: (
          <>
            {impactWords(impact).map((words) => (
              <p key={words}>{words}</p>
            ))}
            <p>{ritual.means}</p>
          </>
        ),
        verb: ritual.verb,
        danger: true,
        run: async () => {
          try {
            await perform(room, action)
          } catch (error) {
            refresh(room)
            throw error
          }
          say(ritual.done(room))
        },
      })
    },
    open: (room: Room) =>
      told(room, async () => {
        keepRoom(client, await api.actOnRoom(room, 'open'))
        say(`${isolated(room.title)} is open`)
      }),
    restore: (room: Room) =>
      told(room, async () => {
        keepRoom(client, await api.actOnRoom(room, 'restore'))
        void client.invalidateQueries({ queryKey: ['rooms'] })
        say(`${isolated(room.title)} is back in the list, closed`)
      }),
    duplicate: (room: Room) =>
      told(room, async () => {
        const copy = await api.actOnRoom(room, 'duplicate')
        keepRoom(client, copy)
        say(`${isolated(copy.title)} has the same settings and its own key and links`)
        go(`/rooms/${copy.id}`)
      }),
  }
}

/** Who is there first, then what is cut. */
export function impactWords(impact: Impact | null): string[] {
  if (impact === null) return ['Who is in the room could not be found out.']
  return impact.names.length > 0 ? [`In the room: ${list(impact.names)}.`, impact.words] : [impact.words]
}
