import type { ServiceStatus } from '../../api/types'
import { bytes } from '../../shared/words'
import { Ago } from '../../ui/Time'
import * as ui from '../../ui/ui.css'
import * as css from './stack.css'

export const SERVICE_NAME = { traefik: 'Traefik', ovenmediaengine: 'OvenMediaEngine', mirotalk: 'MiroTalk' }

/** Wanted, running, healthy, version, since; and why. */
export function Services({ services }: { services: ServiceStatus[] }) {
  return (
    <div role="table" aria-label="Services">
      <div className={css.serviceHead} role="row">
        <span role="columnheader">
          <span className={ui.hiddenText}>State</span>
        </span>
        <span role="columnheader">Service</span>
        <span role="columnheader">As wanted</span>
        <span role="columnheader">Running</span>
        <span role="columnheader">Health</span>
        <span role="columnheader">Since</span>
      </div>
      {services.map((service) => (
        <div key={service.role} className={css.service} role="row">
          <span role="cell">
            <span className={ui.dot[dotOf(service)]} role="img" aria-label={service.health} />
          </span>
          <span role="cell" className={css.serviceName}>
            {SERVICE_NAME[service.role]} <span className={ui.quiet}>{service.version ?? ''}</span>
          </span>
          <span role="cell" className={css.serviceVersion}>
            {service.current ? 'as wanted' : 'differs'}
          </span>
          <span role="cell" className={css.serviceCell}>
            {service.running}
          </span>
          <span role="cell" className={css.serviceCell}>
            {service.health}
          </span>
          <span role="cell" className={css.serviceVersion}>
            {service.since ? <Ago at={service.since} /> : '–'}
          </span>
          <span role="cell" className={css.serviceWhy}>
            {service.simulated && 'Stand-in image. '}
            {service.why} <span title={service.image_id ?? undefined}>{service.image}</span>
            {service.pulling && <Pulling had={service.pulling[0]} known={service.pulling[1]} />}
          </span>
        </div>
      ))}
    </div>
  )
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
