// The last hour in figures: how a new point joins, and how it is drawn. Pure.
import type { Point, Series } from '../../api/types'

/** Points of an hour, one every ten seconds. */
export const HOUR = 360
const EVERY_MS = 10_000

/** The series with its next point; null where something between is missing. */
export function withPoint(series: Series, point: Point): Series | null {
  const since = Date.parse(point.at) - Date.parse(series.at ?? '')
  if (since <= 0) return series
  if (!(since < 1.5 * EVERY_MS)) return null
  const next = (points: (number | null)[], value: number) => [...points, value].slice(-HOUR)
  return { at: point.at, viewers: next(series.viewers, point.viewers), bitrate: next(series.bitrate, point.bitrate), reconcile_ms: next(series.reconcile_ms, point.reconcile_ms) }
}

/**
 * An SVG path from zero at the bottom, on the axis of an hour that ends now: a
 * few minutes take a few minutes' room. A gap where nothing was measured.
 */
export function plotPath(points: (number | null)[], width: number, height: number, hour = HOUR): string {
  const highest = Math.max(1e-9, ...points.map((point) => point ?? 0))
  const step = width / (hour - 1)
  let pen = false
  let path = ''
  for (const [i, point] of points.entries()) {
    if (point === null) {
      pen = false
      continue
    }
    const x = width - (points.length - 1 - i) * step
    const y = height - 1 - (point / highest) * (height - 4)
    path += `${pen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`
    pen = true
  }
  return path
}
