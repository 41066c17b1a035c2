import { style } from '@vanilla-extract/css'
import { tone } from '../theme.css'

export const rows = style({ display: 'grid', gap: 0 })
export const row = style({
  display: 'grid',
  gridTemplateColumns: '8px 88px minmax(0, 1fr)',
  columnGap: 12,
  alignItems: 'baseline',
  padding: '10px 0',
  borderTop: `1px solid ${tone.raised}`,
  minHeight: 44,
  textAlign: 'left',
})
export const name = style({ color: tone.strong })
export const fix = style({ color: tone.quiet, fontSize: 13, display: 'block' })
export const preview = style({ width: '100%', aspectRatio: '16 / 9', background: '#000000', objectFit: 'cover', borderRadius: 8, transform: 'scaleX(-1)', display: 'block', marginBottom: 8 })
export const meter = style({ display: 'block', height: 4, background: tone.line, borderRadius: 2, overflow: 'hidden', margin: '8px 0' })
export const meterFill = style({ display: 'block', height: '100%', background: tone.text, transformOrigin: 'left', transition: 'transform 80ms linear' })
export const choices = style({ display: 'flex', flexWrap: 'wrap', marginLeft: -8 })
