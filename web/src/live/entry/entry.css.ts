import { style } from '@vanilla-extract/css'
import { tone } from '../theme.css'

export const page = style({
  height: '100dvh',
  overflow: 'auto',
  display: 'grid',
  placeItems: 'center',
  padding: '24px max(16px, env(safe-area-inset-left))',
  scrollbarWidth: 'none',
})

export const sheet = style({ width: '100%', maxWidth: 360, display: 'grid', gap: 16 })

export const mark = style({ color: tone.quiet, fontSize: 13, letterSpacing: '0.01em' })
export const title = style({ fontSize: 20, lineHeight: '28px', fontWeight: 600, color: tone.strong, textWrap: 'balance' })
export const text = style({ color: tone.text, textWrap: 'pretty' })
export const quiet = style({ color: tone.quiet, fontSize: 13 })
export const form = style({ display: 'grid', gap: 12 })
// Always there, so that an error moves nothing.
export const problem = style({
  minHeight: 40,
  display: 'grid',
  gridTemplateColumns: 'auto 1fr',
  gap: 8,
  alignItems: 'baseline',
  color: tone.text,
})
export const actions = style({ display: 'flex', gap: 8, flexWrap: 'wrap' })
export const countdown = style({
  fontSize: 40,
  lineHeight: '48px',
  fontWeight: 300,
  color: tone.strong,
  fontVariantNumeric: 'tabular-nums',
  letterSpacing: '-0.01em',
})
