// Sixty lines instead of a library: a path is matched against patterns such
// as `/rooms/:id`, links are real links, and the back button works.
import { type AnchorHTMLAttributes, type MouseEvent, useSyncExternalStore } from 'react'

export type Params = Record<string, string>

/** The parameters when the path has the pattern's shape, else null. */
export function match(pattern: string, path: string): Params | null {
  const wanted = segments(pattern)
  const given = segments(path)
  if (wanted.length !== given.length) return null
  const params: Params = {}
  for (const [i, want] of wanted.entries()) {
    const have = given[i] as string
    if (want.startsWith(':')) {
      const value = decode(have)
      if (value === null) return null
      params[want.slice(1)] = value
    } else if (want !== have) return null
  }
  return params
}

const segments = (path: string) => path.split('/').filter((part) => part !== '')

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

const MOVED = 'colourstream:moved'

export function go(path: string, options: { replace?: boolean } = {}): void {
  if (options.replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  window.dispatchEvent(new Event(MOVED))
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener)
  window.addEventListener(MOVED, listener)
  return () => {
    window.removeEventListener('popstate', listener)
    window.removeEventListener(MOVED, listener)
  }
}

export const usePath = (): string => useSyncExternalStore(subscribe, () => location.pathname)

/** A link that stays on the page; with a modifier the browser has its way. */
export function Link({ href, onClick, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    onClick?.(event)
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    go(href)
    window.scrollTo(0, 0)
  }
  return <a href={href} onClick={follow} {...rest} />
}
