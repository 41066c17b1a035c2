import { style } from '@vanilla-extract/css'
import { c } from '../ui/theme.css'

export const line = style({ display: 'grid', gridTemplateColumns: '112px minmax(0, 1fr)', gap: 16, padding: '6px 0', alignItems: 'baseline', overflowWrap: 'anywhere', '@media': { '(max-width: 480px)': { gridTemplateColumns: 'minmax(0, 1fr)', gap: 0 } } })
export const when = style({ color: c.quiet, fontSize: 13, fontVariantNumeric: 'tabular-nums' })
export const who = style({ fontWeight: 500 })
