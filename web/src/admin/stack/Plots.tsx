import { bitrate } from '../../shared/words'
import { SkeletonRows } from '../../ui/Skeleton'
import * as ui from '../../ui/ui.css'
import * as css from '../desk.css'
import { useSeries } from '../queries'
import { plotPath } from './series'
import * as stack from './stack.css'
import { took } from './took'

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
          <Plot name="Reconcile" points={series.data.reconcile_ms} say={took} />
        </div>
      ) : series.isLoadingError ? (
        <p className={ui.quiet}>No figures are available.</p>
      ) : (
        <SkeletonRows rows={1} height={100} />
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
        {[0, WIDTH / 2, WIDTH].map((x) => (
          <path key={x} className={stack.plotMark} d={`M${x} 0V${HEIGHT}`} vectorEffect="non-scaling-stroke" />
        ))}
        <path data-plot d={plotPath(points, WIDTH, HEIGHT)} fill="none" stroke="currentColor" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
      </svg>
      <div className={stack.plotAxis} aria-hidden="true">
        <span>1 h ago</span>
        <span>30 min</span>
        <span>now</span>
      </div>
    </figure>
  )
}
