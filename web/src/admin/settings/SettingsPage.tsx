import { useQuery, useQueryClient } from '@tanstack/react-query'
import * as api from '../../api/admin'
import type { AdminSession } from '../../api/types'
import { useConfirm } from '../../ui/Confirm'
import { TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import { Ago } from '../../ui/Time'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import { ActivityList } from '../ActivityList'
import * as css from '../desk.css'
import { SHORTEST_PASSWORD } from '../entry/SetUp'
import { Heading } from '../Heading'
import { keys, useAdmins, useMe, useSessions, useTokens } from '../queries'
import { useSubmit } from '../useSubmit'
import { Admins } from './Admins'
import { Tokens } from './Tokens'

export function SettingsPage() {
  const owner = useMe().data?.role === 'owner'
  const sessions = useSessions()
  const admins = useAdmins(owner)
  const tokens = useTokens(owner)
  // Shown in one piece: what comes later would push the rest down.
  if (sessions.isLoading || admins.isLoading || tokens.isLoading) {
    return (
      <div className={css.page}>
        <Heading>Settings</Heading>
        <SkeletonRows rows={8} />
      </div>
    )
  }
  return (
    <div className={css.page}>
      <Heading>Settings</Heading>
      <Password />
      <Sessions />
      {owner && <Admins />}
      {owner && <Tokens />}
      {owner && <Audit />}
    </div>
  )
}

function Password() {
  const { busy, error, note, onSubmit } = useSubmit(async (data, form) => {
    await api.changePassword(String(data.get('current')), String(data.get('new')))
    form.reset()
    say('Password changed. Your other sessions are logged out')
  })
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Password</h2>
      <form className={ui.stack} onSubmit={onSubmit}>
        <div className={ui.grid}>
          <TextField label="Current password" name="current" type="password" required autoComplete="current-password" />
          <TextField label="New password" name="new" type="password" required minLength={SHORTEST_PASSWORD} autoComplete="new-password" hint={`At least ${SHORTEST_PASSWORD} characters.`} />
        </div>
        {error !== null && <ProblemNote id={note} error={error} />}
        <div>
          <button className={ui.button.plain} disabled={busy}>
            Change password
          </button>
        </div>
      </form>
    </section>
  )
}

function Sessions() {
  const client = useQueryClient()
  const sessions = useSessions()
  const [confirm, ask] = useConfirm()
  const end = (session: AdminSession) =>
    ask({
      title: `Log out ${session.agent}?`,
      body: (
        <>
          Whoever works there now, at {session.address}, has to log in again. It was last used <Ago at={session.last_seen} />.
        </>
      ),
      verb: 'Log it out',
      danger: true,
      run: async () => {
        await api.endSession(session.id)
        client.setQueryData<AdminSession[]>(keys.sessions, (all) => all?.filter((one) => one.id !== session.id))
        say('That session is logged out')
      },
    })
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Where you are logged in</h2>
      {sessions.isLoadingError ? (
        <ProblemNote error={sessions.error} onAgain={() => void sessions.refetch()} />
      ) : sessions.isPending ? (
        <SkeletonRows rows={2} />
      ) : (
        <ul className={css.lists}>
          {sessions.data.map((session) => (
            <li key={session.id} className={css.item}>
              <span className={css.itemDot}>
                <span className={session.current ? ui.dot.good : ui.dot.open} />
              </span>
              <span className={css.itemName}>{session.current ? 'This browser' : session.agent}</span>
              <span className={css.itemFacts}>
                {session.address} · seen <Ago at={session.last_seen} />
              </span>
              <span className={css.itemActions}>
                {!session.current && (
                  <button type="button" className={ui.button.quiet} aria-label={`Log out ${session.agent}`} onClick={() => end(session)}>
                    Log out
                  </button>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
      {confirm}
    </section>
  )
}

function Audit() {
  const audit = useQuery({ queryKey: keys.audit, queryFn: api.getAudit })
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Who did what</h2>
      {audit.isLoadingError ? <ProblemNote error={audit.error} onAgain={() => void audit.refetch()} /> : audit.isPending ? <SkeletonRows rows={3} height={32} /> : <ActivityList entries={audit.data} />}
    </section>
  )
}
