import { type ComponentType, useEffect, useState } from 'react'

/**
 * A component that is fetched when it is first shown. Unlike `React.lazy`, a
 * fetch that failed is made again the next time; the nearest boundary says so.
 */
export function later<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let known: ComponentType<P> | null = null
  return function Later(props: P) {
    const [state, setState] = useState<{ part: ComponentType<P> | null; error?: unknown }>({ part: known })
    useEffect(() => {
      if (known !== null) return
      let gone = false
      load().then(
        ({ default: part }) => {
          known = part
          if (!gone) setState({ part })
        },
        (error: unknown) => {
          if (!gone) setState({ part: null, error: error ?? new Error('not loaded') })
        },
      )
      return () => {
        gone = true
      }
    }, [])
    if (state.error !== undefined) throw state.error
    const Part = state.part
    return Part && <Part {...props} />
  }
}
