import type { Presence } from '../../api/types'
import { Given } from '../Given'
import { Icon } from '../Icon'
import { hiddenText } from '../parts.css'
import * as css from './room.css'

/** Who is here; links have names. */
export default function People({ presence }: { presence: Presence | null }) {
  const people = presence?.people ?? []
  return (
    <aside className={css.people} aria-label="Who is here" tabIndex={0}>
      {people.length === 0 ? (
        <p className={css.quiet}>Nobody else is here yet.</p>
      ) : (
        <ul>
          {people.map((person) => (
            <li key={person.id} className={css.person}>
              <span className={css.personName}>
                <Given>{person.name}</Given>
                {person.me && ' (you)'}
              </span>
              <span className={css.quiet}>{person.role === 'presenter' ? 'presenter' : ''}</span>
              <span className={css.quiet} title={where(person.watching, person.in_call)}>
                {person.watching && <Icon name="eye" size={16} />} {person.in_call && <Icon name="call" size={16} />}
                <span className={hiddenText}>{where(person.watching, person.in_call)}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
    </aside>
  )
}

const where = (watching: boolean, inCall: boolean) =>
  [watching && 'watching', inCall && 'in the call'].filter(Boolean).join(', ') || 'here'
