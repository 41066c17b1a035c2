// Short words that something was done, read aloud politely and gone by
// themselves; and what went wrong, which stays until it was read.
import { useLayoutEffect, useState, useSyncExternalStore } from 'react'
import { createPortal } from 'react-dom'
import { problemOf } from '../api/request'
import { onDialogs, topDialog } from '../shared/useModal'
import { sentences } from '../shared/words'
import * as css from './ui.css'

const LINGER_MS = 5000

interface Toast {
  id: number
  text: string
  stays: boolean
}

let shown: Toast[] = []
let next = 1
const listeners = new Set<() => void>()

function publish(change: typeof shown): void {
  shown = change
  for (const listener of listeners) listener()
}

const take = (id: number): void => publish(shown.filter((one) => one.id !== id))

function show(text: string, stays: boolean): number {
  const id = next++
  const others = shown.filter((one) => one.text !== text)
  const old = others.filter((one) => !one.stays).slice(0, -2)
  publish([...others.filter((one) => !old.includes(one)), { id, text, stays }])
  return id
}

export function say(text: string): void {
  const id = show(text, false)
  setTimeout(() => take(id), LINGER_MS)
}

/** A refusal in words: what, and what to do. */
export function sayProblem(error: unknown): void {
  const { message, detail } = problemOf(error)
  show(sentences(message, detail), true)
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export function Toasts() {
  const all = useSyncExternalStore(subscribe, () => shown)
  const [place] = useState(() => document.createElement('div'))
  // Behind an open dialog nothing is seen, pressed or read aloud: they go into it.
  useLayoutEffect(() => {
    const move = () => (topDialog() ?? document.body).append(place)
    move()
    const stop = onDialogs(move)
    return () => {
      stop()
      place.remove()
    }
  }, [place])
  return createPortal(
    <div className={css.toasts}>
      {all
        .filter((one) => one.stays)
        .map(({ id, text }) => (
          <div key={id} className={css.toast} role="alert">
            {text}{' '}
            <button type="button" className={css.toastClose} onClick={() => take(id)}>
              Dismiss
            </button>
          </div>
        ))}
      <div className={css.toastsGoing} role="status" aria-atomic="false">
        {all
          .filter((one) => !one.stays)
          .map(({ id, text }) => (
            <div key={id} className={css.toast}>
              {text}
            </div>
          ))}
      </div>
    </div>,
    place,
  )
}
