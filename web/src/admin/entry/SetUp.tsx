import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { setUp } from '../../api/admin'
import { Problem } from '../../api/request'
import { useTitle } from '../../shared/arrive'
import { go } from '../../shared/router'
import { TextField } from '../../ui/Field'
import { ProblemNote } from '../../ui/ProblemNote'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { keys } from '../queries'
import { text, useSubmit } from '../useSubmit'

/** The token leaves the address bar at once; a reload needs the link again. */
function takeToken(): string {
  const token = location.hash.slice(1)
  if (token !== '') history.replaceState(null, '', location.pathname)
  return token
}

export const SHORTEST_PASSWORD = 10

/** First run: the one-time link makes the first owner. */
export function SetUp() {
  useTitle('Set up ColourStream')
  const client = useQueryClient()
  const [token] = useState(takeToken)
  const { busy, error, note, onSubmit } = useSubmit(async (data) => {
    if (data.get('password') !== data.get('again')) throw new Problem({ title: 'The two passwords differ', detail: 'Type the same one twice' })
    await setUp(token, text(data, 'name'), String(data.get('password')))
    go('/', { replace: true })
    await client.resetQueries({ queryKey: keys.me })
  })
  if (token === '') {
    return (
      <main className={css.door}>
        <h1 className={css.doorTitle}>Set up ColourStream</h1>
        <p>
          The first start printed a set-up link in the terminal. Open it here: it makes you the owner, and works once. To print another, run{' '}
          <code className={ui.code}>colourstream admin setup-link</code> on the server.
        </p>
      </main>
    )
  }
  return (
    <main className={css.door}>
      <h1 className={css.doorTitle}>Set up ColourStream</h1>
      <p className={ui.quiet}>You become its owner. Others can be added later.</p>
      <form className={css.form} onSubmit={onSubmit}>
        <TextField label="Your name" name="name" required autoFocus autoComplete="username" maxLength={60} hint="Guests see it on their invitation." />
        <TextField label="Password" name="password" type="password" required minLength={SHORTEST_PASSWORD} autoComplete="new-password" hint={`At least ${SHORTEST_PASSWORD} characters. A sentence is good.`} />
        <TextField label="Password again" name="again" type="password" required autoComplete="new-password" />
        <button className={ui.button.primary} disabled={busy}>
          Begin
        </button>
        {error !== null && <ProblemNote id={note} error={error} />}
      </form>
    </main>
  )
}
