import { style, styleVariants } from '@vanilla-extract/css'
import { tone } from './theme.css'

export const button = style({
  appearance: 'none',
  border: `1px solid ${tone.line}`,
  borderRadius: 8,
  background: tone.raised,
  color: tone.strong,
  minHeight: 40,
  padding: '0 16px',
  cursor: 'pointer',
  ':hover': { background: '#262626' },
  ':disabled': { color: tone.quiet, cursor: 'default', background: tone.raised },
})

export const primary = style([
  button,
  {
    background: tone.text,
    borderColor: tone.text,
    color: '#000000',
    fontWeight: 600,
    ':hover': { background: tone.strong },
    ':disabled': { background: '#6a6a6a', borderColor: '#6a6a6a', color: '#000000' },
  },
])

export const textButton = style({
  appearance: 'none',
  border: 0,
  background: 'none',
  color: tone.quiet,
  minHeight: 32,
  padding: '0 8px',
  cursor: 'pointer',
  borderRadius: 8,
  textDecoration: 'underline',
  textDecorationColor: tone.line,
  textUnderlineOffset: 3,
  ':hover': { color: tone.text },
})

export const iconButton = style({
  appearance: 'none',
  border: 0,
  background: 'none',
  color: tone.text,
  width: 36,
  height: 36,
  padding: 0,
  display: 'grid',
  placeItems: 'center',
  borderRadius: 8,
  cursor: 'pointer',
  selectors: { '&:hover, &[aria-pressed=true], &[aria-expanded=true]': { background: '#262626', color: tone.strong } },
  '@media': { '(pointer: coarse)': { width: 44, height: 44 } },
})

export const field = style({ display: 'grid', gap: 4, textAlign: 'left' })
export const label = style({ color: tone.quiet, fontSize: 13 })
export const input = style({
  appearance: 'none',
  width: '100%',
  minHeight: 44,
  padding: '0 12px',
  // 16 px keeps iOS from zooming the page at focus.
  fontSize: 16,
  border: `1px solid #5a5a5a`,
  borderRadius: 8,
  background: tone.bar,
  color: tone.strong,
  selectors: { '&[aria-invalid=true]': { borderColor: tone.live } },
})

const dotBase = style({ display: 'inline-block', width: 8, height: 8, borderRadius: 4, flex: 'none', background: tone.quiet })
export const dot = styleVariants({
  live: [dotBase, { background: tone.live }],
  good: [dotBase, { background: tone.good }],
  warning: [dotBase, { background: tone.warning }],
  error: [dotBase, { background: tone.live }],
  unknown: [dotBase, { background: 'transparent', boxShadow: `inset 0 0 0 1.5px ${tone.quiet}` }],
})

export const hiddenText = style({
  position: 'absolute',
  width: 1,
  height: 1,
  overflow: 'hidden',
  clipPath: 'inset(50%)',
  whiteSpace: 'nowrap',
})
