import { arrive, useTitle } from '../shared/arrive'
import * as css from './desk.css'

// A page that is opened by its address begins at its beginning.
let last = location.pathname

/** Once for each page that is gone to. */
function arriveOnce(heading: HTMLElement | null): void {
  if (heading === null || location.pathname === last) return
  last = location.pathname
  arrive(heading)
}

/** What the page and its tab are called; where one is after going there. */
export function Heading({ children }: { children: string }) {
  useTitle(`${children} – ColourStream`)
  return (
    <h1 ref={arriveOnce} tabIndex={-1} dir="auto" className={css.h1}>
      {children}
    </h1>
  )
}
