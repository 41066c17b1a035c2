import type { InputHTMLAttributes, ReactNode } from 'react'
import * as css from './ui.css'

export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: ReactNode }) {
  return (
    <label className={css.field}>
      <span className={css.label}>{label}</span>
      {children}
      {hint && <span className={css.hint}>{hint}</span>}
    </label>
  )
}

export function TextField({ label, hint, ...input }: { label: string; hint?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field label={label} hint={hint}>
      <input className={css.input} {...input} />
    </Field>
  )
}
