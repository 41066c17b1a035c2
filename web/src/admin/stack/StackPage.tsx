import { useState } from 'react'
import { apply, setMode } from '../../api/admin'
import type { ServiceRole, Status } from '../../api/types'
import { count } from '../../shared/words'
import { useConfirm } from '../../ui/Confirm'
import { CopyButton } from '../../ui/CopyButton'
import { ProblemNote } from '../../ui/ProblemNote'
import { SkeletonRows } from '../../ui/Skeleton'
import { Ago } from '../../ui/Time'
import { say, sayProblem } from '../../ui/Toasts'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { Heading } from '../Heading'
import { useMe, useStatus } from '../queries'
import { Files } from './Files'
import { IssueList } from './IssueList'
import { Journal } from './Journal'
import { Logs } from './Logs'
import { PlanTree } from './PlanTree'
import { Plots } from './Plots'
import { whomApplyInterrupts } from './remedy'
import { Services } from './Services'
import { took } from './took'

export function StackPage() {
  const status = useStatus()
  if (status.isLoadingError) {
    return (
      <div className={css.page}>
        <Heading>Stack</Heading>
        <ProblemNote error={status.error} onAgain={() => void status.refetch()} />
      </div>
    )
  }
  if (status.isPending) {
    return (
      <div className={css.page}>
        <Heading>Stack</Heading>
        <SkeletonRows rows={6} height={56} />
      </div>
    )
  }
  return <Loaded status={status.data} />
}

const SUMMARY: Record<Status['summary'], { dot: keyof typeof ui.dot; words: string }> = {
  ready: { dot: 'good', words: 'Everything runs as wanted' },
  starting: { dot: 'open', words: 'On the way' },
  waiting: { dot: 'warning', words: 'Something waits' },
  degraded: { dot: 'bad', words: 'Something does not work' },
  paused: { dot: 'warning', words: 'Paused: differences are left alone' },
}

/** What is said of the whole; it is paused in two ways. */
export const summaryOf = ({ summary, mode }: Pick<Status, 'summary' | 'mode'>) =>
  mode === 'report' ? { ...SUMMARY.paused, words: 'Reporting only: differences are shown, not mended' } : SUMMARY[summary]

function Loaded({ status }: { status: Status }) {
  const owner = useMe().data?.role === 'owner'
  const [confirm, ask] = useConfirm()
  const [log, setLog] = useState<ServiceRole | null>(null)
  const summary = summaryOf(status)
  const held = status.mode !== 'heal'

  const look = async () => {
    await apply(false).then(() => say('Looking again'), sayProblem)
  }
  const applyNow = () =>
    ask({
      title: 'Apply now?',
      body: whomApplyInterrupts(status),
      verb: 'Apply now',
      danger: status.live.streams + status.live.viewers > 0,
      run: async () => {
        await apply(true)
        say('Applying')
      },
    })
  const pause = () =>
    ask({
      title: 'Pause?',
      body: 'The services go on as they are. Nothing is mended, started or stopped until you resume; rooms that open or close are not carried to the services.',
      verb: 'Pause',
      run: async () => {
        await setMode('paused')
        say('Paused')
      },
    })
  const resume = async () => {
    await setMode('heal').then(() => say('Resumed'), sayProblem)
  }
  const read = (role: ServiceRole) => {
    setLog(role)
    document.getElementById('logs')?.scrollIntoView({ block: 'start' })
  }

  return (
    <div className={css.page}>
      <div className={css.heading}>
        <header className={css.head}>
          <Heading>Stack</Heading>
          {owner && (
            <>
              <button type="button" className={ui.button.quiet} onClick={() => void look()}>
                Look again
              </button>
              {held ? (
                <button type="button" className={ui.button.primary} onClick={() => void resume()}>
                  Resume
                </button>
              ) : (
                <button type="button" className={ui.button.plain} onClick={pause}>
                  Pause
                </button>
              )}
              <button type="button" className={ui.button.plain} disabled={status.plan.length === 0} onClick={applyNow}>
                Apply now
              </button>
            </>
          )}
        </header>
        <p className={ui.row} role="status">
          <span className={ui.dot[summary.dot]} />
          {summary.words}
          <span className={ui.quiet}>
            {status.at && (
              <>
                looked <Ago at={status.at} /> · {took(status.took_ms)} · engine {status.engine.version ?? 'away'}
              </>
            )}
          </span>
        </p>
      </div>
      {status.issues.length > 0 && <IssueList issues={status.issues} status={status} ask={ask} onLog={read} />}
      <Services services={status.services} />
      <section className={css.section}>
        <h2 className={css.h2}>{status.plan.length === 0 ? 'Plan' : `Plan: ${count(status.plan.length, 'step', 'steps')}`}</h2>
        {status.plan.length === 0 ? <p className={ui.quiet}>Nothing to do: what runs is what is wanted.</p> : <PlanTree steps={status.plan} />}
      </section>
      <Plots />
      <Journal />
      <Files />
      <Logs role={log} onRole={setLog} />
      {status.trust && (
        <p className={`${ui.quiet} ${ui.small}`}>
          Browsers warn until they trust this ColourStream’s own authority. On the host: <CopyButton text={status.trust} what="Trust line">Copy the trust line</CopyButton>
        </p>
      )}
      <p className={`${ui.quiet} ${ui.small}`}>
        ColourStream {status.version} · {Object.entries(status.addresses).map(([name, address]) => `${name} ${address.replace(/^https?:\/\//, '')}`).join(' · ')}
      </p>
      {confirm}
    </div>
  )
}
