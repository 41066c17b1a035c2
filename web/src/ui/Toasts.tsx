// Short words that something was done; read aloud politely, gone by themselves.
import { useSyncExternalStore } from 'react'
import { problemOf } from '../api/request'
import { sentences } from '../shared/words'
import * as css from './ui.css'

const LINGER_MS = 5000

let shown: { id: number; text: string }[] = []
let next = 1
const listeners = new Set<() => void>()

function publish(change: typeof shown): void {
  shown = change
  for (const listener of listeners) listener()
}

export function say(text: string): void {
  const id = next++
  publish([...shown.slice(-2), { id, text }])
  setTimeout(() => publish(shown.filter((one) => one.id !== id)), LINGER_MS)
}

/** A refusal in words: what, and what to do. */
export function sayProblem(error: unknown): void {
  const { message, detail } = problemOf(error)
  say(sentences(message, detail))
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export function Toasts() {
  const all = useSyncExternalStore(subscribe, () => shown)
  return (
    <div className={css.toasts} role="status">
      {all.map(({ id, text }) => (
        <div key={id} className={css.toast}>
          {text}
        </div>
      ))}
    </div>
  )
}
