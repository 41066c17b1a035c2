import { type FormEvent, useState } from 'react'

/** A form that is sent once at a time and keeps what went wrong. */
export function useSubmit(send: (data: FormData, form: HTMLFormElement) => Promise<void>) {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    setBusy(true)
    setError(null)
    try {
      await send(new FormData(form), form)
    } catch (problem) {
      setError(problem)
    } finally {
      setBusy(false)
    }
  }
  return { busy, error, onSubmit }
}

export const text = (data: FormData, name: string) => String(data.get(name) ?? '').trim()
