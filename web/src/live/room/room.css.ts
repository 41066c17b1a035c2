// The measured layout (contracts/whole-stack.md, section 4): two halves, no
// gap, no scroll bar. `minmax(0, …)` because rows otherwise grow to content.
import { style } from '@vanilla-extract/css'
import { tone } from '../theme.css'

const lyingDown = '(orientation: landscape) and (max-height: 480px)'
// A half this wide has room beside its picture, any other below it.
const wide = '(min-aspect-ratio: 2/1)'
const qualityWidth = 'min(600px, 46%)'
const peopleWidth = '280px'

export const halves = style({
  position: 'relative',
  display: 'grid',
  gridTemplateColumns: 'minmax(0, 1fr)',
  gridTemplateRows: 'minmax(0, var(--top, 1fr)) minmax(0, var(--bottom, 1fr))',
  height: '100dvh',
  overflow: 'hidden',
  background: tone.page,
  vars: { '--bar': '44px' },
  selectors: {
    '&[data-call=hidden]': { gridTemplateRows: 'minmax(0, 1fr) minmax(0, 0)' },
  },
  '@media': {
    '(pointer: coarse)': { vars: { '--bar': '48px' } },
    // A phone lying down: the picture fills, the call is one tap away.
    [lyingDown]: {
      gridTemplateRows: 'minmax(0, 1fr) minmax(0, 0)',
      selectors: {
        '&[data-front=call]': { gridTemplateRows: 'minmax(0, 0) minmax(0, 1fr)' },
        '&[data-call=hidden]': { gridTemplateRows: 'minmax(0, 1fr) minmax(0, 0)' },
      },
    },
  },
})

export const picture = style({ position: 'relative', overflow: 'hidden', minHeight: 0, background: tone.page, containerType: 'size' })
// Where the picture is: all of its half, or what an open panel leaves.
export const screen = style({
  position: 'absolute',
  inset: 0,
  selectors: {
    '&[data-dock=quality]': { top: 'var(--bar)', bottom: '50%' },
    '&[data-dock=people]': { top: 'var(--bar)', bottom: '40%' },
  },
  '@container': {
    [wide]: {
      selectors: {
        '&[data-dock=quality]': { bottom: 0, right: qualityWidth },
        '&[data-dock=people]': { bottom: 0, right: peopleWidth },
      },
    },
  },
})
export const call = style({
  position: 'relative',
  overflow: 'hidden',
  minHeight: 0,
  background: tone.page,
  selectors: { '[data-call=hidden] > &': { visibility: 'hidden' } },
})
export const words = style({
  position: 'absolute',
  inset: 0,
  display: 'grid',
  placeContent: 'center',
  // Lines of 64 letters at most; a box of its own around them would be seen to
  // move when the words change.
  padding: '0 max(24px, calc(50% - 32ch))',
  textAlign: 'center',
  textWrap: 'balance',
  color: tone.text,
  pointerEvents: 'none',
})

// ---- Chrome: comes with movement, leaves after 3 s.
export const bar = style({
  position: 'absolute',
  zIndex: 3,
  top: 0,
  left: 0,
  right: 0,
  height: 'var(--bar)',
  display: 'flex',
  alignItems: 'center',
  gap: 4,
  padding: '0 8px 0 16px',
  background: tone.bar,
  transition: 'opacity 160ms',
  selectors: { '&[data-shown=false]': { opacity: 0, pointerEvents: 'none' } },
  '@media': {
    '(prefers-reduced-motion: reduce)': { transition: 'none' },
    '(max-width: 480px)': { paddingLeft: 12, gap: 0 },
  },
})
export const mark = style({ display: 'inline-flex', alignItems: 'center', gap: 8, color: tone.strong, fontWeight: 600, fontSize: 13, flex: 'none', marginRight: 8 })
// Narrow: the dot alone says it, and the pill below already offers the sound.
export const markWord = style({ '@media': { '(max-width: 480px)': { position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' } } })
export const roomyOnly = style({ '@media': { '(max-width: 480px)': { display: 'none' } } })
export const title = style({ flex: '1 1 0', minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', textAlign: 'left', color: tone.text, fontSize: 14, fontWeight: 400 })
export const figure = style({ display: 'inline-flex', alignItems: 'center', gap: 6, color: tone.text, fontVariantNumeric: 'tabular-nums', padding: '0 8px', width: 'auto', flex: 'none' })

export const pill = style({
  position: 'absolute',
  zIndex: 2,
  left: 16,
  display: 'inline-flex',
  alignItems: 'center',
  gap: 8,
  minHeight: 40,
  padding: '0 14px 0 12px',
  border: `1px solid ${tone.line}`,
  borderRadius: 8,
  background: tone.bar,
  color: tone.strong,
  cursor: 'pointer',
  ':hover': { background: tone.raised },
  selectors: { '&[data-place=below]': { bottom: 16 }, '&[data-place=above]': { top: 56 } },
  // Lying down there is no black beside the picture: the bar says it.
  '@media': { '(max-width: 480px)': { left: 12 }, [lyingDown]: { display: 'none' } },
})
export const soundOffWords = style({ display: 'none', '@media': { [lyingDown]: { display: 'inline' } } })
export const soundOff = style({ '@media': { [lyingDown]: { width: 'auto', display: 'inline-flex', alignItems: 'center', gap: 8, padding: '0 8px', fontSize: 14 } } })

export const divider = style({
  position: 'absolute',
  zIndex: 4,
  left: 0,
  right: 0,
  height: 12,
  marginTop: -6,
  top: 'var(--split, 50%)',
  cursor: 'row-resize',
  touchAction: 'none',
  outline: 'none',
  '::after': { content: '', position: 'absolute', left: 0, right: 0, top: 6, height: 1, background: 'transparent' },
  selectors: {
    '&[data-dragging=true]::after, &:focus-visible::after': { background: tone.quiet },
    '[data-call=hidden] > &': { display: 'none' },
  },
  '@media': { [lyingDown]: { display: 'none' }, '(pointer: coarse)': { height: 20, marginTop: -10, ':after': { top: 10 } } },
})

export const onlyLyingDown = style({ display: 'none', '@media': { [lyingDown]: { display: 'grid' } } })
export const notLyingDown = style({ '@media': { [lyingDown]: { display: 'none' } } })
// The one control of the call in front of a lying phone.
export const back = style({ position: 'absolute', zIndex: 3, top: 8, right: 8, background: tone.bar })

// Beside the picture, never on it (see `screen`).
export const panel = style({
  position: 'absolute',
  zIndex: 3,
  left: 0,
  right: 0,
  bottom: 0,
  overflowY: 'auto',
  scrollbarWidth: 'thin',
  background: tone.bar,
  color: tone.text,
  padding: '12px 16px',
  display: 'grid',
  alignContent: 'start',
  // A part that has a least height would be squeezed to it before the panel scrolls.
  gridAutoRows: 'max-content',
  gap: 8,
  outlineOffset: -2,
  '@container': { [wide]: { left: 'auto', top: 'var(--bar)' } },
})
export const qualityPanel = style([panel, { height: '50%', '@container': { [wide]: { height: 'auto', width: qualityWidth } } }])
export const people = style([panel, { height: '40%', '@container': { [wide]: { height: 'auto', width: peopleWidth } } }])
export const failure = style({ position: 'absolute', zIndex: 3, top: 'var(--bar)', right: 0, maxWidth: '100%', padding: 16, display: 'grid', gap: 12, background: tone.bar, color: tone.text })
export const person = style({ display: 'flex', gap: 8, alignItems: 'baseline', minHeight: 28 })
export const personName = style({ flex: 1, minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', color: tone.strong })
export const quiet = style({ color: tone.quiet, fontSize: 13 })

export const dialog = style({
  border: `1px solid ${tone.line}`,
  borderRadius: 8,
  background: tone.bar,
  color: tone.text,
  // All of it is the sheet: only what lies beside it is the dialog's own.
  padding: 0,
  width: 'min(420px, calc(100vw - 32px))',
  maxHeight: 'calc(100dvh - 32px)',
  overflow: 'hidden',
  textAlign: 'left',
  '::backdrop': { background: 'rgb(0 0 0 / 70%)' },
})
export const sheet = style({ padding: 24, maxHeight: 'calc(100dvh - 34px)', overflowY: 'auto', scrollbarWidth: 'thin' })
export const dialogTitle = style({ fontSize: 16, lineHeight: '24px', fontWeight: 600, color: tone.strong, marginBottom: 12 })
export const keys = style({ display: 'grid', gridTemplateColumns: 'auto 1fr', gap: '8px 16px', alignItems: 'baseline' })
export const key = style({ font: '13px/20px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace', border: `1px solid ${tone.line}`, borderRadius: 4, padding: '0 6px', color: tone.strong, justifySelf: 'start' })
export const dialogEnd = style({ display: 'flex', justifyContent: 'flex-end', gap: 8, marginTop: 20 })
export const dialogAside = style({ color: tone.quiet, fontSize: 13, marginTop: 12, textAlign: 'right' })

// ---- Call
export const frame = style({ display: 'block', border: 0, width: '100%', height: '100%', minHeight: 0, background: tone.page })
export const invite = style({
  height: '100%',
  overflow: 'auto',
  scrollbarWidth: 'none',
  display: 'grid',
  alignContent: 'center',
  justifyItems: 'center',
  gap: 12,
  padding: '16px 24px',
  textAlign: 'center',
  background: tone.bar,
})
export const inviteTitle = style({ fontSize: 16, lineHeight: '24px', fontWeight: 600, color: tone.strong })
export const row = style({ display: 'flex', flexWrap: 'wrap', gap: 8, justifyContent: 'center' })
