import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { createLink, revokeLink } from '../../api/admin'
import type { Link, Present, Room, VisitorRole } from '../../api/types'
import { copyText } from '../../shared/copy'
import { useServerNow } from '../../shared/clock'
import { isolated, moment, relative, shortMoment } from '../../shared/words'
import type { Question } from '../../ui/Confirm'
import { CopyButton } from '../../ui/CopyButton'
import { ProblemNote } from '../../ui/ProblemNote'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keys, useLinks } from '../queries'
import { text, useSubmit } from '../useSubmit'
import { doingWords, nameOfPerson, revokeWords } from './people'

/** People and their links: one per person, so that one can be revoked. */
export function LinksSection({ room, may, ask }: { room: Room; may: boolean; ask: (question: Question | null) => void }) {
  const links = useLinks(room.id)
  const now = useServerNow(15_000)
  const client = useQueryClient()

  const by = (link: Link) => room.live.people.filter((one) => one.link === link.id)

  const revoke = (link: Link) =>
    ask({
      title: `Revoke ${isolated(nameOf(link, now))}?`,
      body: revokeWords(by(link), link.uses),
      verb: 'Revoke',
      danger: true,
      run: async () => {
        const key = keys.links(room.id)
        const before = client.getQueryData<Link[]>(key)
        // Shown at once; put back should the server refuse.
        client.setQueryData<Link[]>(key, (all) => all?.map((one) => (one.id === link.id ? { ...one, revoked: true } : one)))
        try {
          await revokeLink(room.id, link.id)
        } catch (error) {
          client.setQueryData(key, before)
          throw error
        }
        say(`${isolated(nameOf(link, now))} is revoked`)
      },
    })

  return (
    <section className={css.section}>
      <h2 className={css.h2}>People and links</h2>
      <Here people={room.live.people} />
      {links.isLoadingError ? (
        <ProblemNote error={links.error} onAgain={() => void links.refetch()} />
      ) : (links.data ?? []).length === 0 ? (
        <p className={ui.quiet}>Nobody is invited yet. A link per person lets you see who came, and revoke one without the others.</p>
      ) : (
        <ul className={css.list}>
          {links.data?.map((link) => (
            <li key={link.id} className={css.item}>
              <span className={css.itemDot}>
                <span className={link.revoked ? ui.dot.none : by(link).length > 0 ? ui.dot.good : ui.dot.open} role="img" aria-label={link.revoked ? 'revoked' : by(link).length > 0 ? 'here now' : 'nobody here'} />
              </span>
              <span className={css.itemName} dir="auto" style={link.revoked ? { textDecoration: 'line-through' } : undefined}>
                {nameOf(link, now)}
              </span>
              <span className={css.itemFacts}>{linkFacts(link, now, by(link).length)}</span>
              <span className={css.itemActions}>
                {may && !link.revoked && (
                  <button type="button" className={ui.button.quiet} aria-label={`Revoke ${nameOf(link, now)}`} onClick={() => revoke(link)}>
                    Revoke
                  </button>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
      {may && <Invite room={room} />}
    </section>
  )
}

/** Everybody who is there, by name, and what they do. */
function Here({ people }: { people: Present[] }) {
  return (
    <dl className={css.facts}>
      <dt className={css.factName}>Here now</dt>
      <dd className={css.factValue}>
        {people.length === 0 && <span className={ui.quiet}>nobody</span>}
        {people.map((one, i) => (
          <span key={i} className={css.person}>
            <bdi>{nameOfPerson(one)}</bdi> <span className={ui.quiet}>{doingWords(one)}</span>
          </span>
        ))}
      </dd>
    </dl>
  )
}

/** One that was made for nobody goes by its time. */
export const nameOf = (link: Link, now: number): string => link.name || `${link.role === 'presenter' ? 'Presenter' : 'Viewer'} link, ${moment(link.created_at, now)}`

export function linkFacts(link: Link, now: number, here = 0): string {
  const parts: string[] = [link.role]
  if (link.revoked) parts.push('revoked')
  else if (here > 0) parts.push(here === 1 ? 'here now' : `${here} here now`)
  else parts.push(link.last_seen ? `seen ${relative(link.last_seen, now)}` : 'not used yet')
  if (link.max_uses) parts.push(`${link.uses} of ${link.max_uses} uses`)
  if (link.expires_at && !link.revoked) parts.push(Date.parse(link.expires_at) < now ? 'expired' : `until ${shortMoment(link.expires_at, now)}`)
  return parts.join(' · ')
}

function Invite({ room }: { room: Room }) {
  const client = useQueryClient()
  const [made, setMade] = useState<{ name: string; url: string } | null>(null)
  const { busy, error, note, onSubmit } = useSubmit(async (data, form) => {
    const name = text(data, 'name')
    const making = createLink(room.id, { name, role: text(data, 'role') as VisitorRole })
    const copied = copyText(making.then((link) => link.url))
    const link = await making
    setMade({ name, url: link.url })
    form.reset()
    void client.invalidateQueries({ queryKey: keys.links(room.id) })
    if (await copied) say(`The link for ${isolated(name)} is on your clipboard`)
  })
  return (
    <>
      <form className={ui.row} onSubmit={onSubmit}>
        <input className={`${ui.input} ${css.filter}`} name="name" required maxLength={60} placeholder="Name of a person" aria-label="Name of the person to invite" autoComplete="off" />
        <select className={ui.select} name="role" aria-label="Role" style={{ width: 120 }}>
          <option value="viewer">viewer</option>
          <option value="presenter">presenter</option>
        </select>
        <button className={ui.button.plain} disabled={busy}>
          Make link
        </button>
      </form>
      {error !== null && <ProblemNote id={note} error={error} />}
      {made && (
        <div className={ui.note.good}>
          <p>The link for {isolated(made.name)}, shown only now:</p>
          <p className={ui.row}>
            <code className={ui.code}>{made.url}</code>
            <CopyButton text={made.url} what={`Link for ${made.name}`} />
          </p>
        </div>
      )}
    </>
  )
}
