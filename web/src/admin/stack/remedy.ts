// What the buttons beside an issue do. The sentence says what to do; where the
// portal can do it, a button does, and where a person has to, it takes the
// typing off them. Pure.
import type { Issue, IssueCode, ServiceRole, Status } from '../../api/types'
import { count } from '../../shared/words'

export type Remedy =
  | { act: 'resume' | 'apply-now' | 'update-images' | 'back-up' | 'look'; verb: string }
  /** Something for a terminal or the settings file. */
  | { act: 'copy'; verb: string; what: string; text: string }
  | { act: 'log'; verb: string; role: ServiceRole }
  /** The room it is about, by name in the address. */
  | { act: 'room'; verb: string; slug: string }
  /** A field of the room's page; the room's OBS profile. */
  | { act: 'field'; verb: string; field: string }
  | { act: 'obs'; verb: string }

/** Those an owner alone may press: they change what runs. */
export const needsOwner = ({ act }: Remedy): boolean => ['resume', 'apply-now', 'update-images', 'back-up', 'look'].includes(act)

const LOOK: Remedy = { act: 'look', verb: 'Look again' }
const AGAIN: Remedy = { act: 'apply-now', verb: 'Try again now' }

/** The most helpful first. `place`: on whose page the issue stands. */
export function remediesFor(issue: Issue, status: Pick<Status, 'trust'>, place: 'stack' | 'room' = 'stack'): Remedy[] {
  return [...(OF[issue.code]?.(issue, status, place) ?? [])].filter((one) => one !== null)
}

type Of = (issue: Issue, status: Pick<Status, 'trust'>, place: 'stack' | 'room') => (Remedy | null)[]

const looksAgain: Of = (issue) => [command(issue), LOOK]
const triesAgain: Of = (issue) => [AGAIN, log(issue)]
const inSettings: Of = (issue) => [key(issue), LOOK]

/** Every issue has its own; a new code does not compile without. */
const OF: Record<IssueCode, Of> = {
  'engine-away': looksAgain,
  'engine-too-old': looksAgain,
  'engine-denied': looksAgain,
  'image-missing': (issue) => [command(issue), AGAIN],
  'image-moved': () => [{ act: 'update-images', verb: 'Take up the new image' }],
  simulated: looksAgain,
  'name-taken': looksAgain,
  'look-alike': looksAgain,
  'port-taken': (issue) => [AGAIN, key(issue)],
  'service-unhealthy': triesAgain,
  'service-flapping': triesAgain,
  'replacement-failed': (issue) => [AGAIN, command(issue)],
  'call-unsafe': (issue) => [log(issue), LOOK],
  'route-rejected': (issue) => [log({ ...issue, role: issue.role ?? 'traefik' }), LOOK],
  'settings-invalid': (issue) => [place(issue), LOOK],
  'template-invalid': (issue) => [place(issue), LOOK],
  'state-unwritable': looksAgain,
  'state-empty': looksAgain,
  'two-controllers': (issue) => [command(issue), LOOK],
  'store-failed': looksAgain,
  'database-damaged': looksAgain,
  'database-newer': looksAgain,
  'backup-failed': () => [{ act: 'back-up', verb: 'Back up now' }],
  'public-address-unknown': inSettings,
  'certificate-invalid': (issue, status) => [status.trust ? { act: 'copy', verb: 'Copy the trust line', what: 'Trust line', text: status.trust } : place(issue), LOOK],
  'certificate-pending': () => [LOOK],
  'certificate-failed': () => [AGAIN],
  'certificate-expires': looksAgain,
  'name-elsewhere': () => [LOOK],
  paused: () => [{ act: 'resume', verb: 'Resume' }],
  'encoder-settings': () => [{ act: 'obs', verb: 'OBS profile with the right settings' }],
  'profile-missing': (issue, _status, where) => [where === 'room' ? { act: 'field', verb: 'Choose a profile', field: 'profile' } : { act: 'room', verb: 'Open the room', slug: issue.subject }],
}

const typed = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, what]) => what as string)

/** The command among what is to be typed. */
function command({ fix }: Issue): Remedy | null {
  const text = typed(fix).find((what) => /^(docker|systemctl|colourstream|fuser) ./.test(what))
  return text ? { act: 'copy', verb: 'Copy the command', what: 'Command', text } : null
}

/** The key of the settings file among what is to be typed. */
function key({ fix }: Issue): Remedy | null {
  const text = typed(fix).find((what) => /^[a-z_]+(\.[a-z_]+)*$/.test(what))
  return text ? { act: 'copy', verb: `Copy “${text}”`, what: 'Name of the setting', text } : null
}

/** The file and line, or the key, that it is about. */
const place = ({ subject }: Issue): Remedy | null => (subject === '' ? null : { act: 'copy', verb: 'Copy the place', what: 'Place', text: subject })

const log = ({ role }: Issue): Remedy | null => (role ? { act: 'log', verb: 'Read its log', role } : null)

/** Names whom an immediate apply would interrupt. */
export function whomApplyInterrupts(status: Pick<Status, 'plan' | 'live'>): string {
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
