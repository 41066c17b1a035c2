import { useCallback, useRef, useState } from 'react'
import { mintCall } from '../../api/live'
import { type Problem, problemOf } from '../../api/request'
import type { Farewell } from './farewell'

export type CallState =
  | { kind: 'out'; problem: Problem | null; farewell: Farewell | null }
  | { kind: 'joining' }
  | { kind: 'in'; url: string; join: number }

/** In the call or out of it. Every join asks for a URL of its own: it works once. */
export function useCall(slug: string) {
  const [state, setState] = useState<CallState>({ kind: 'out', problem: null, farewell: null })
  const joins = useRef(0)
  const join = useCallback(async () => {
    setState({ kind: 'joining' })
    try {
      const { url } = await mintCall(slug)
      joins.current += 1
      setState({ kind: 'in', url, join: joins.current })
    } catch (error) {
      setState({ kind: 'out', problem: problemOf(error), farewell: null })
    }
  }, [slug])
  const left = useCallback((farewell: Farewell) => setState({ kind: 'out', problem: null, farewell }), [])
  return { state, join, left }
}
