import { useCallback, useEffect, useRef, useState } from 'react'
import { mintCall } from '../../api/live'
import { type Problem, problemOf } from '../../api/request'
import type { Farewell } from './farewell'

export type CallState =
  | { kind: 'out'; problem: Problem | null; farewell: Farewell | null }
  | { kind: 'joining' }
  /** `asking`: for another URL, beside the frame that is there. */
  | { kind: 'in'; url: string; join: number; asking: boolean; problem: Problem | null }

/**
 * In the call or out of it. Every join asks for a URL of its own: it works
 * once, and a presenter's for a minute, so a frame whose connection was lost
 * is not mended but made anew.
 */
export function useCall(slug: string, available: boolean) {
  const [state, setState] = useState<CallState>({ kind: 'out', problem: null, farewell: null })
  const joins = useRef(0)
  const asked = useRef(0)
  const join = useCallback(async () => {
    const mine = ++asked.current
    setState((now) => (now.kind === 'in' ? { ...now, asking: true, problem: null } : { kind: 'joining' }))
    try {
      const { url } = await mintCall(slug)
      if (asked.current !== mine) return
      joins.current += 1
      setState({ kind: 'in', url, join: joins.current, asking: false, problem: null })
    } catch (error) {
      if (asked.current !== mine) return
      const problem = problemOf(error)
      setState((now) => (now.kind === 'in' ? { ...now, asking: false, problem } : { kind: 'out', problem, farewell: null }))
    }
  }, [slug])
  const left = useCallback((farewell: Farewell) => {
    // Whoever left meanwhile is not taken back.
    asked.current += 1
    setState({ kind: 'out', problem: null, farewell })
  }, [])

  // A call that was away forgot everybody who was in it.
  const inside = useRef(false)
  inside.current = state.kind === 'in'
  const was = useRef(available)
  useEffect(() => {
    const returned = available && !was.current
    was.current = available
    if (returned && inside.current) void join()
  }, [available, join])
  return { state, join, left }
}
