import { useQueryClient } from '@tanstack/react-query'
import { logIn } from '../../api/admin'
import { useTitle } from '../../shared/arrive'
import { TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keys } from '../queries'
import { text, useSubmit } from '../useSubmit'

export function Login() {
  useTitle('Log in – ColourStream')
  const client = useQueryClient()
  const { busy, error, note, onSubmit } = useSubmit(async (data) => {
    await logIn(text(data, 'name'), String(data.get('password')))
    await client.resetQueries({ queryKey: keys.me })
  })
  return (
    <main className={css.door}>
      <h1 className={css.doorTitle}>ColourStream</h1>
      <form className={css.form} onSubmit={onSubmit}>
        <TextField label="Name" name="name" required autoFocus autoComplete="username" autoCapitalize="none" />
        <TextField label="Password" name="password" type="password" required autoComplete="current-password" />
        <button className={ui.button.primary} disabled={busy}>
          Log in
        </button>
        {error !== null && <ProblemNote id={note} error={error} />}
      </form>
      <p className={`${ui.quiet} ${ui.small}`}>
        Forgotten? On the server, <code className={ui.code}>colourstream admin add NAME --role owner</code> makes another owner.
      </p>
    </main>
  )
}
