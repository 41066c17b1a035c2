import { style } from '@vanilla-extract/css'
import { tone } from '../theme.css'

// Over the call, never over the picture; in the corner the call leaves free.
export const rejoin = style({ position: 'absolute', zIndex: 2, top: 8, left: 8, maxWidth: 'calc(100% - 72px)', display: 'grid', gap: 8, justifyItems: 'start' })
export const rejoinButton = style({
  appearance: 'none',
  display: 'inline-flex',
  alignItems: 'center',
  gap: 8,
  minHeight: 36,
  minWidth: 36,
  padding: '0 8px',
  border: 0,
  borderRadius: 8,
  background: tone.bar,
  color: tone.quiet,
  cursor: 'pointer',
  selectors: { '&:hover, &:focus-visible': { color: tone.strong }, '&:disabled': { cursor: 'default' } },
  '@media': { '(pointer: coarse)': { minHeight: 44, minWidth: 44, padding: '0 12px' } },
})
// Said when somebody comes near; the icon alone is quiet.
export const rejoinWords = style({ display: 'none', selectors: { [`${rejoinButton}:is(:hover, :focus-visible, :disabled) &`]: { display: 'inline' } } })
export const rejoinProblem = style({ padding: '8px 12px', borderRadius: 8, background: tone.bar, color: tone.text })
