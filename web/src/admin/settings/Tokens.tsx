import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import * as api from '../../api/admin'
import type { ApiToken, NewApiToken, Scope } from '../../api/types'
import { isolated } from '../../shared/words'
import { useConfirm } from '../../ui/Confirm'
import { Dialog } from '../../ui/Dialog'
import { TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import { Secret } from '../../ui/Secret'
import { SkeletonRows } from '../../ui/Skeleton'
import { Ago } from '../../ui/Time'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keys, useTokens } from '../queries'
import { text, useSubmit } from '../useSubmit'

const SCOPES: Scope[] = ['rooms:read', 'rooms:write', 'stack:read', 'stack:write']

export function Tokens() {
  const client = useQueryClient()
  const tokens = useTokens(true)
  const [adding, setAdding] = useState(false)
  const [confirm, ask] = useConfirm()
  const refresh = () => client.invalidateQueries({ queryKey: keys.tokens })
  const revoke = (token: ApiToken) =>
    ask({
      title: `Revoke ${isolated(token.name)}?`,
      body: 'Programs that use it are refused from now on.',
      verb: 'Revoke',
      danger: true,
      run: async () => {
        await api.removeToken(token.id)
        await refresh()
      },
    })
  return (
    <section className={css.section}>
      <div className={css.head}>
        <h2 className={css.h2}>API tokens</h2>
        <button type="button" className={ui.button.plain} onClick={() => setAdding(true)}>
          New token
        </button>
      </div>
      {tokens.isLoadingError ? (
        <ProblemNote error={tokens.error} onAgain={() => void tokens.refetch()} />
      ) : tokens.isPending ? (
        <SkeletonRows rows={1} />
      ) : tokens.data.length === 0 ? (
        <p className={ui.quiet}>None. A token lets a program make rooms or read the state of the stack without a person’s password.</p>
      ) : (
        <ul className={css.lists}>
          {tokens.data.map((token) => (
            <li key={token.id} className={css.item}>
              <span />
              <span className={css.itemName} dir="auto">{token.name}</span>
              <span className={css.itemFacts}>
                {token.scopes.join(', ')} · {token.last_used ? <>used <Ago at={token.last_used} /></> : 'never used'}
              </span>
              <span className={css.itemActions}>
                <button type="button" className={ui.button.quiet} aria-label={`Revoke ${token.name}`} onClick={() => revoke(token)}>
                  Revoke
                </button>
              </span>
            </li>
          ))}
        </ul>
      )}
      {adding && <AddToken onClose={() => setAdding(false)} onDone={() => void refresh()} />}
      {confirm}
    </section>
  )
}

function AddToken({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const [made, setMade] = useState<NewApiToken | null>(null)
  const { busy, error, note, onSubmit } = useSubmit(async (data) => {
    setMade(await api.addToken(text(data, 'name'), data.getAll('scopes') as Scope[]))
    onDone()
  })
  if (made) {
    return (
      <Dialog title={made.token.name} onClose={onClose} keep>
        <p>The token, shown only now:</p>
        <Secret value={made.secret} what="Token" />
        <div className={ui.dialogEnd}>
          <button type="button" className={ui.button.primary} onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    )
  }
  return (
    <Dialog title="New API token" onClose={onClose}>
      <form className={ui.stack} onSubmit={onSubmit}>
        <TextField label="What is it for?" name="name" required autoFocus maxLength={60} autoComplete="off" placeholder="Booking system" />
        <fieldset>
          <legend className={ui.label}>It may</legend>
          {SCOPES.map((scope) => (
            <label key={scope} className={ui.check}>
              <input type="checkbox" name="scopes" value={scope} defaultChecked={scope === 'rooms:read'} /> {scope}
            </label>
          ))}
        </fieldset>
        {error !== null && <ProblemNote id={note} error={error} />}
        <div className={ui.dialogEnd}>
          <button type="button" className={ui.button.plain} onClick={onClose}>
            Cancel
          </button>
          <button className={ui.button.primary} disabled={busy}>
            Make token
          </button>
        </div>
      </form>
    </Dialog>
  )
}
