// What the button beside an issue does. The sentence says what to do; where
// the portal can do it, the button does. Pure but for the words.
import type { Issue, Status } from '../../api/types'
import { count } from '../../shared/words'

export type Remedy = { verb: string; act: 'resume' | 'apply-now' | 'look' } | null

export function remedyFor(issue: Issue): Remedy {
  switch (issue.code) {
    case 'paused':
      return { verb: 'Resume', act: 'resume' }
    case 'service-flapping':
    case 'service-unhealthy':
    case 'replacement-failed':
      return { verb: 'Try again now', act: 'apply-now' }
    case 'simulated':
    case 'encoder-settings':
    case 'profile-missing':
    case 'look-alike':
      // Nothing a button here could do.
      return null
    default:
      return { verb: 'Look again', act: 'look' }
  }
}

/** Names whom an immediate apply would interrupt. */
export function whomApplyInterrupts(status: Status): string {
  const cuts = status.plan.some((step) => step.disrupts === 'streams' || step.disrupts === 'everything')
  const { viewers, streams, callers } = status.live
  if (!cuts || viewers + streams + callers === 0) return 'This interrupts nobody.'
  const who = [
    viewers > 0 ? `${count(viewers, 'person is', 'people are')} watching` : null,
    callers > 0 ? `${count(callers, 'person is', 'people are')} in a call` : null,
    streams > 0 ? `${count(streams, 'encoder is', 'encoders are')} streaming` : null,
  ].filter((part) => part !== null)
  const last = who.pop()
  return `${who.length > 0 ? `${who.join(', ')} and ${last}` : last}. They are interrupted for some seconds and come back by themselves.`
}
