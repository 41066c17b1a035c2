import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import * as api from '../../api/admin'
import type { Admin, AdminRole } from '../../api/types'
import { isolated } from '../../shared/words'
import { useConfirm } from '../../ui/Confirm'
import { Dialog } from '../../ui/Dialog'
import { Field, TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import { Ago } from '../../ui/Time'
import { say } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { SHORTEST_PASSWORD } from '../entry/SetUp'
import { keys, useAdmins, useMe } from '../queries'
import { text, useSubmit } from '../useSubmit'

const ROLES: { role: AdminRole; may: string }[] = [
  { role: 'owner', may: 'everything' },
  { role: 'producer', may: 'own rooms' },
  { role: 'ops', may: 'sees state, never secrets' },
]

const mayOf = (role: AdminRole) => ROLES.find((one) => one.role === role)?.may ?? ''

export function Admins() {
  const me = useMe().data
  const client = useQueryClient()
  const admins = useAdmins(true)
  const [adding, setAdding] = useState(false)
  const [confirm, ask] = useConfirm()
  const refresh = () => client.invalidateQueries({ queryKey: keys.admins })

  // An arrow key in the list is enough to get here, so it asks.
  const change = (admin: Admin, role: AdminRole) =>
    ask({
      title: `Make ${isolated(admin.name)} ${role}?`,
      body: `Now ${admin.role}: ${mayOf(admin.role)}. From then on ${role}: ${mayOf(role)}. It holds at once, on every page they have open.`,
      verb: `Make ${role}`,
      danger: role !== 'owner',
      run: async () => {
        try {
          await api.changeAdmin(admin, role)
          say(`${isolated(admin.name)} is now ${role}`)
        } finally {
          await refresh()
        }
      },
    })
  const remove = (admin: Admin) =>
    ask({
      title: `Remove ${isolated(admin.name)}?`,
      body: 'They are logged out everywhere now. Their rooms stay and become yours.',
      verb: 'Remove',
      danger: true,
      run: async () => {
        try {
          await api.removeAdmin(admin)
        } finally {
          await refresh()
        }
      },
    })

  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>People of this portal</h2>
        <button type="button" className={ui.button.plain} onClick={() => setAdding(true)}>
          Add somebody
        </button>
      </div>
      {admins.isLoadingError ? (
        <ProblemNote error={admins.error} onAgain={() => void admins.refetch()} />
      ) : admins.isPending ? (
        <SkeletonRows rows={2} />
      ) : (
        <ul className={css.lists}>
          {admins.data.map((admin) => (
            <li key={admin.id} className={css.item}>
              <span />
              <span className={css.itemName} dir="auto">{admin.name}</span>
              <span className={css.itemFacts}>
                {admin.role} · added <Ago at={admin.created_at} />
              </span>
              <span className={css.itemActions}>
                {admin.id !== me?.id && (
                  <>
                    <select className={ui.select} style={{ width: 120 }} aria-label={`Role of ${admin.name}`} value={admin.role} onChange={(event) => change(admin, event.target.value as AdminRole)}>
                      {ROLES.map(({ role }) => (
                        <option key={role}>{role}</option>
                      ))}
                    </select>
                    <button type="button" className={ui.button.quiet} aria-label={`Remove ${admin.name}`} onClick={() => remove(admin)}>
                      Remove
                    </button>
                  </>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
      {adding && <AddAdmin onClose={() => setAdding(false)} onDone={() => void refresh()} />}
      {confirm}
    </section>
  )
}

function AddAdmin({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const { busy, error, note, onSubmit } = useSubmit(async (data) => {
    const name = text(data, 'name')
    await api.addAdmin({ name, role: text(data, 'role') as AdminRole, password: String(data.get('password')) })
    say(`${isolated(name)} can log in now`)
    onDone()
    onClose()
  })
  return (
    <Dialog title="Add somebody" onClose={onClose}>
      <form className={ui.stack} onSubmit={onSubmit}>
        <TextField label="Name" name="name" required autoFocus autoComplete="off" />
        <Field label="Role">
          <select className={ui.select} name="role" defaultValue="producer">
            {ROLES.map(({ role, may }) => (
              <option key={role} value={role}>
                {role}: {may}
              </option>
            ))}
          </select>
        </Field>
        <TextField label="First password" name="password" type="password" required minLength={SHORTEST_PASSWORD} autoComplete="new-password" hint="They can change it under Settings." />
        {error !== null && <ProblemNote id={note} error={error} />}
        <div className={ui.dialogEnd}>
          <button type="button" className={ui.button.plain} onClick={onClose}>
            Cancel
          </button>
          <button className={ui.button.primary} disabled={busy}>
            Add
          </button>
        </div>
      </form>
    </Dialog>
  )
}
