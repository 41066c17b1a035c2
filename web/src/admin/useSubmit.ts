import { type FormEvent, useEffect, useId, useRef, useState } from 'react'
import { problemOf } from '../api/request'
import { markField } from '../shared/markField'

/** A form that is sent once at a time and keeps what went wrong, told in `note` and marked at its field. */
export function useSubmit(send: (data: FormData, form: HTMLFormElement) => Promise<void>) {
  const sending = useRef(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const note = useId()
  const sent = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (sent.current) markField(sent.current, error === null ? null : problemOf(error).field, note)
  }, [error, note])
  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (sending.current) return
    sending.current = true
    const form = event.currentTarget
    sent.current = form
    setBusy(true)
    setError(null)
    try {
      await send(new FormData(form), form)
    } catch (problem) {
      setError(problem)
    } finally {
      sending.current = false
      setBusy(false)
    }
  }
  return { busy, error, note, onSubmit }
}

export const text = (data: FormData, name: string) => String(data.get(name) ?? '').trim()
