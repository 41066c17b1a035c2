import { bitrate } from '../../shared/words'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { useSeries } from '../queries'
import { plotPath } from './plotPath'
import * as stack from './stack.css'

/** The last hour at a glance. */
export function Plots() {
  const series = useSeries()
  return (
    <section className={css.section}>
      <h2 className={css.h2}>Last hour</h2>
      {series.data ? (
        <div className={stack.plots}>
          <Plot name="Viewers" points={series.data.viewers} say={(value) => String(value)} />
          <Plot name="Bitrate in" points={series.data.bitrate} say={bitrate} />
          <Plot name="Reconcile" points={series.data.reconcile_ms} say={(value) => `${value.toFixed(1)} ms`} />
        </div>
      ) : series.isError ? (
        <p className={ui.quiet}>No figures are available.</p>
      ) : (
        <SkeletonRows rows={1} height={80} />
      )}
    </section>
  )
}

const WIDTH = 360
const HEIGHT = 56

function Plot({ name, points, say }: { name: string; points: (number | null)[]; say: (value: number) => string }) {
  const last = points.findLast((point) => point !== null) ?? null
  const highest = Math.max(0, ...points.map((point) => point ?? 0))
  return (
    <figure className={stack.plot} style={{ margin: 0 }}>
      <figcaption className={stack.plotHead}>
        <span>{name}</span>
        <span>
          {last === null ? '–' : say(last)} <span className={ui.quiet}>max {say(highest)}</span>
        </span>
      </figcaption>
      <svg className={stack.plotSvg} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path d={plotPath(points, WIDTH, HEIGHT)} fill="none" stroke="currentColor" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  )
}
