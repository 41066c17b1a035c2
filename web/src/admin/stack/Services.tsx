import type { ServiceStatus } from '../../api/types'
import { bytes, sentence } from '../../shared/words'
import { Age, Ago } from '../../ui/Time'
import * as ui from '../../ui/ui.css'
import * as css from './stack.css'

export const SERVICE_NAME = { traefik: 'Traefik', ovenmediaengine: 'OvenMediaEngine', mirotalk: 'MiroTalk' }

/** Wanted, running, healthy, version, age; what was last done to it, and why. */
export function Services({ services }: { services: ServiceStatus[] }) {
  return (
    <div role="table" aria-label="Services">
      <div className={css.serviceHead} role="row">
        <span role="columnheader">
          <span className={ui.hiddenText}>State</span>
        </span>
        <span role="columnheader">Service</span>
        <span role="columnheader">Wanted</span>
        <span role="columnheader">Running</span>
        <span role="columnheader">Health</span>
        <span role="columnheader">Age</span>
      </div>
      {services.map((service) => (
        <div key={service.role} className={css.service} role="row">
          <span role="cell">
            <span className={ui.dot[dotOf(service)]} role="img" aria-label={service.health} />
          </span>
          <span role="cell" className={css.serviceName}>
            {SERVICE_NAME[service.role]} <span className={ui.quiet}>{versionOf(service)}</span>
          </span>
          <span role="cell" className={css.serviceFirst}>
            {service.current ? 'as wanted' : 'differs'}
          </span>
          <span role="cell" className={css.serviceCell}>
            {service.running}
          </span>
          <span role="cell" className={css.serviceCell}>
            {service.health}
          </span>
          <span role="cell" className={css.serviceCell}>
            {service.since ? <Age since={service.since} /> : '–'}
          </span>
          <span role="cell" className={css.serviceWhy}>
            <Why service={service} />
            {service.pulling && <Pulling had={service.pulling[0]} known={service.pulling[1]} />}
          </span>
        </div>
      ))}
    </div>
  )
}

/** What is wrong or under way, what was last done and why, and the image. */
function Why({ service }: { service: ServiceStatus }) {
  const { last_change: change } = service
  return (
    <>
      {service.why !== 'as wanted' && <span className={css.serviceTrouble}>{sentence(service.why)} </span>}
      {change ? (
        <>
          Last change <Ago at={change.at} />: {change.what} · {change.why}.{' '}
        </>
      ) : (
        'No change is in the journal. '
      )}
      <span title={service.image_id ?? undefined}>
        {service.simulated ? 'Stand-in image ' : 'Image '}
        {service.image}
      </span>
    </>
  )
}

/** In its own words, or as its image is tagged. */
export function versionOf(service: Pick<ServiceStatus, 'version' | 'image'>): string {
  if (service.version) return service.version
  const [, tag = ''] = (service.image.split('@')[0]?.split('/').at(-1) ?? '').split(':')
  return tag.replace(/^v(?=\d)/, '')
}

function dotOf(service: ServiceStatus): keyof typeof ui.dot {
  if (service.running === 'absent') return 'none'
  if (service.health === 'healthy') return service.current ? 'good' : 'warning'
  return service.health === 'unhealthy' || service.running === 'dead' || service.running === 'exited' ? 'bad' : 'warning'
}

function Pulling({ had, known }: { had: number; known: number }) {
  return (
    <div>
      Fetching: {bytes(had)} of {bytes(known)}
      <div className={css.bar}>
        <div className={css.barFill} style={{ width: `${known > 0 ? Math.min(100, (had / known) * 100) : 0}%` }} />
      </div>
    </div>
  )
}
