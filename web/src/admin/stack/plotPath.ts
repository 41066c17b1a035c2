/** An SVG path from zero at the bottom; a gap where nothing was measured. */
export function plotPath(points: (number | null)[], width: number, height: number): string {
  const highest = Math.max(1e-9, ...points.map((point) => point ?? 0))
  const step = points.length > 1 ? width / (points.length - 1) : 0
  let pen = false
  let path = ''
  for (const [i, point] of points.entries()) {
    if (point === null) {
      pen = false
      continue
    }
    const y = height - 1 - (point / highest) * (height - 4)
    path += `${pen ? 'L' : 'M'}${(i * step).toFixed(1)} ${y.toFixed(1)}`
    pen = true
  }
  return path
}
