import type { StepView } from '../../api/types'
import * as ui from '../../ui/ui.css'
import * as css from './stack.css'

const SIGN_NAME: Record<string, string> = { '+': 'create', '~': 'change', '-': 'remove', '⏸': 'waits' }
const DISRUPTS: Record<string, string> = { reload: 'reloads', streams: 'cuts streams', everything: 'cuts everything' }

/** The plan as the terminal prints it: lanes, signs, each step with its why. */
export function PlanTree({ steps }: { steps: StepView[] }) {
  const lanes = [...new Set(steps.map((step) => step.lane))]
  return (
    <ul className={css.tree}>
      {lanes.map((lane) => (
        <li key={lane}>
          <span className={css.lane}>{lane}</span>
          <ul>
            {steps
              .filter((step) => step.lane === lane)
              .map((step) => (
                <li key={`${step.sign} ${step.what}`} className={css.step}>
                  <span className={css.sign[step.sign as keyof typeof css.sign]} role="img" aria-label={SIGN_NAME[step.sign] ?? step.sign}>
                    {step.sign === '⏸' ? <Pause /> : step.sign}
                  </span>
                  <span>
                    {step.what}{' '}
                    <span className={ui.quiet}>
                      · {step.why}
                      {DISRUPTS[step.disrupts] ? ` · ${DISRUPTS[step.disrupts]}` : ''}
                      {step.waits ? ` · ${waitsFor(step.waits)}` : ''}
                    </span>
                  </span>
                </li>
              ))}
          </ul>
        </li>
      ))}
    </ul>
  )
}

/** The page has a button where the terminal has a command. */
export const waitsFor = (waits: string): string => `waits ${waits.replace('`apply --now`', 'Apply now')}`

/** Drawn, because few monospaced fonts have the sign. */
function Pause() {
  return (
    <svg width="9" height="10" viewBox="0 0 9 10" fill="currentColor" aria-hidden="true">
      <path d="M0 0h3v10H0zM6 0h3v10H6z" />
    </svg>
  )
}
