import * as css from './ui.css'

/** The shape of rows to come, at their height, so that nothing jumps. */
export function SkeletonRows({ rows = 3, height = 48 }: { rows?: number; height?: number }) {
  return (
    <div aria-busy="true" aria-label="Loading">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} style={{ height, display: 'grid', alignContent: 'center' }}>
          <span className={css.skeleton} style={{ width: `${[46, 62, 38, 54][i % 4]}%` }} />
        </div>
      ))}
    </div>
  )
}
