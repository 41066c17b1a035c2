import { useEffect } from 'react'

/** Names the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title
  }, [title])
}

/** As the `ref` of a heading with `tabIndex={-1}`: a change that fills the page is read aloud from there. */
export const arrive = (heading: HTMLElement | null): void => heading?.focus({ preventScroll: true })
