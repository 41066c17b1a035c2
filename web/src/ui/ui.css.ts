import { keyframes, style, styleVariants } from '@vanilla-extract/css'
import { c, mono } from './theme.css'

const base = style({
  appearance: 'none',
  display: 'inline-flex',
  alignItems: 'center',
  justifyContent: 'center',
  gap: 8,
  minHeight: 32,
  padding: '0 12px',
  borderRadius: 8,
  border: '1px solid transparent',
  fontWeight: 500,
  whiteSpace: 'nowrap',
  cursor: 'pointer',
  textDecoration: 'none',
  selectors: { '&:disabled': { opacity: 0.5, cursor: 'default' } },
  '@media': { '(pointer: coarse)': { minHeight: 40 } },
})
export const button = styleVariants({
  plain: [base, { background: c.surface, borderColor: c.line, selectors: { '&:hover:not(:disabled)': { background: c.hover } } }],
  primary: [base, { background: c.accent, color: c.onAccent, selectors: { '&:hover:not(:disabled)': { filter: 'brightness(1.08)' } } }],
  danger: [base, { background: c.surface, borderColor: c.line, color: c.bad, selectors: { '&:hover:not(:disabled)': { background: c.badSoft } } }],
  dangerNow: [base, { background: c.bad, color: c.ground, selectors: { '&:hover:not(:disabled)': { filter: 'brightness(1.08)' } } }],
  quiet: [base, { background: 'transparent', color: c.quiet, padding: '0 8px', selectors: { '&:hover:not(:disabled)': { background: c.hover, color: c.text } } }],
})
export const kbd = style({ font: `12px/16px ${mono}`, border: '1px solid color-mix(in srgb, currentColor 50%, transparent)', borderRadius: 4, padding: '0 4px', '@media': { '(pointer: coarse), (max-width: 720px)': { display: 'none' } } })

export const field = style({ display: 'grid', gridTemplateColumns: 'minmax(0, 1fr)', gap: 4, alignContent: 'start', minWidth: 0 })
export const label = style({ fontWeight: 500 })
export const hint = style({ color: c.quiet, fontSize: 13 })
export const input = style({
  appearance: 'none',
  width: '100%',
  minHeight: 36,
  padding: '0 10px',
  border: `1px solid ${c.edge}`,
  borderRadius: 8,
  background: c.surface,
  selectors: {
    '&::placeholder': { color: c.quiet },
    '&:focus-visible': { outlineOffset: -1 },
    '&[aria-invalid=true]': { borderColor: c.bad },
    'textarea&': { padding: '8px 10px', minHeight: 72, resize: 'vertical' },
  },
  '@media': { '(pointer: coarse)': { minHeight: 44, fontSize: 16 } },
})
export const select = style([
  input,
  {
    paddingRight: 28,
    backgroundImage: 'linear-gradient(45deg, transparent 50%, currentColor 50%), linear-gradient(135deg, currentColor 50%, transparent 50%)',
    backgroundPosition: 'right 15px center, right 10px center',
    backgroundSize: '5px 5px',
    backgroundRepeat: 'no-repeat',
  },
])
export const check = style({ display: 'flex', gap: 8, alignItems: 'center', minHeight: 32, accentColor: c.accent, cursor: 'pointer' })
export const grid = style({ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(320px, 100%), 1fr))', gap: 16 })

export const dialog = style({
  border: 0,
  borderRadius: 8,
  boxShadow: c.shadow,
  background: c.surface,
  color: c.text,
  padding: 0,
  width: 'min(520px, calc(100vw - 32px))',
  '::backdrop': { background: 'rgb(0 0 0 / 40%)' },
})
// Covers the dialog whole: a press that meets the dialog itself is beside it.
export const dialogInside = style({ padding: 24, maxHeight: 'calc(100dvh - 32px)', overflowY: 'auto' })
export const dialogTitle = style({ fontSize: 16, lineHeight: '24px', fontWeight: 600, marginBottom: 8 })
export const dialogBody = style({ display: 'grid', gap: 16 })
export const dialogEnd = style({ display: 'flex', justifyContent: 'flex-end', gap: 8, marginTop: 8, flexWrap: 'wrap' })

export const menu = style({
  position: 'fixed',
  inset: 'auto',
  margin: 0,
  border: 0,
  padding: 4,
  borderRadius: 8,
  background: c.surface,
  color: c.text,
  boxShadow: c.shadow,
  minWidth: 200,
})
export const menuHead = style({ padding: '6px 12px 8px', color: c.quiet, fontSize: 13 })
export const menuItem = style({
  appearance: 'none',
  display: 'block',
  width: '100%',
  border: 0,
  background: 'none',
  textAlign: 'left',
  padding: '6px 12px',
  minHeight: 32,
  borderRadius: 4,
  cursor: 'pointer',
  selectors: { '&:hover, &:focus-visible': { background: c.hover }, '&[data-danger=true]': { color: c.bad } },
  '@media': { '(pointer: coarse)': { minHeight: 44 } },
})

export const toasts = style({
  position: 'fixed',
  zIndex: 10,
  left: '50%',
  bottom: 24,
  transform: 'translateX(-50%)',
  display: 'grid',
  gap: 8,
  justifyItems: 'center',
  width: 'min(520px, calc(100vw - 32px))',
  pointerEvents: 'none',
  '@media': { '(max-width: 720px)': { bottom: 72 } },
})
export const toastsGoing = style({ display: 'grid', gap: 8, justifyItems: 'center', maxWidth: '100%' })
export const toastClose = style({
  appearance: 'none',
  border: 0,
  background: 'none',
  color: 'inherit',
  fontWeight: 500,
  textDecoration: 'underline',
  textUnderlineOffset: 3,
  padding: '4px 8px',
  margin: '-4px -8px -4px 0',
  borderRadius: 8,
  cursor: 'pointer',
  pointerEvents: 'auto',
  selectors: { '&:focus-visible': { outlineColor: 'currentColor', outlineOffset: -2 } },
  '@media': { '(pointer: coarse)': { minHeight: 40 } },
})
export const toast = style({ background: c.text, color: c.ground, borderRadius: 8, padding: '8px 16px', boxShadow: c.shadow, maxWidth: '100%' })

const dotBase = style({ display: 'inline-block', flex: 'none', width: 8, height: 8, borderRadius: 4 })
export const dot = styleVariants({
  live: [dotBase, { background: c.bad }],
  good: [dotBase, { background: c.good }],
  warning: [dotBase, { background: c.warning }],
  bad: [dotBase, { background: c.bad }],
  open: [dotBase, { boxShadow: `inset 0 0 0 2px ${c.quiet}` }],
  none: [dotBase, { border: `1px dashed ${c.quiet}` }],
})

const breathe = keyframes({ '50%': { opacity: 0.45 } })
export const skeleton = style({
  display: 'block',
  height: 12,
  borderRadius: 4,
  background: c.line,
  '@media': { '(prefers-reduced-motion: no-preference)': { animation: `${breathe} 1.6s ease-in-out infinite` } },
})

export const note = styleVariants({
  bad: { borderLeft: `2px solid ${c.bad}`, paddingLeft: 12 },
  warning: { borderLeft: `2px solid ${c.warning}`, paddingLeft: 12 },
  plain: { borderLeft: `2px solid ${c.line}`, paddingLeft: 12 },
  good: { borderLeft: `2px solid ${c.good}`, paddingLeft: 12 },
})

export const empty = style({ padding: '32px 0', color: c.quiet, display: 'grid', gap: 12, justifyItems: 'start', textWrap: 'pretty' })
export const emptyTitle = style({ color: c.text, fontWeight: 600 })
export const quiet = style({ color: c.quiet })
export const small = style({ fontSize: 13 })
export const code = style({ font: `13px/20px ${mono}`, overflowWrap: 'anywhere' })
export const hiddenText = style({ position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)', whiteSpace: 'nowrap' })
/** To be copied by hand: selected, and wrapped wherever it has to. */
export const handed = style([input, { font: `13px/20px ${mono}`, overflowWrap: 'anywhere', resize: 'none' }])
/** Key, words and buttons on one line of writing. */
export const line = style({ display: 'flex', gap: 8, alignItems: 'baseline', flexWrap: 'wrap', minWidth: 0 })
export const row = style({ display: 'flex', gap: 8, alignItems: 'center', flexWrap: 'wrap' })
export const push = style({ flex: 1 })
export const stack = style({ display: 'grid', gap: 16, minWidth: 0 })
export const pair = style({ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(180px, 100%), 1fr))', gap: 16 })
