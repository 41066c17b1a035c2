import { style } from '@vanilla-extract/css'
import { c } from '../ui/theme.css'

const narrow = '(max-width: 720px)'

export const door = style({ minHeight: '100dvh', display: 'grid', placeContent: 'center', gridTemplateColumns: 'min(360px, 100%)', padding: '24px 16px', gap: 16 })
export const doorTitle = style({ fontSize: 20, lineHeight: '28px', fontWeight: 600 })
export const form = style({ display: 'grid', gap: 16 })

export const shell = style({
  display: 'grid',
  gridTemplateColumns: '200px minmax(0, 1fr)',
  minHeight: '100dvh',
  '@media': { [narrow]: { gridTemplateColumns: 'minmax(0, 1fr)', paddingBottom: 'calc(56px + env(safe-area-inset-bottom))' } },
})
export const side = style({
  position: 'sticky',
  top: 0,
  height: '100dvh',
  padding: '24px 12px',
  display: 'flex',
  flexDirection: 'column',
  gap: 4,
  borderRight: `1px solid ${c.line}`,
  background: c.ground,
  '@media': {
    [narrow]: {
      position: 'fixed',
      zIndex: 5,
      top: 'auto',
      left: 0,
      right: 0,
      bottom: 0,
      height: 'auto',
      flexDirection: 'row',
      justifyContent: 'space-around',
      padding: '8px 8px calc(8px + env(safe-area-inset-bottom))',
      borderRight: 0,
      borderTop: `1px solid ${c.line}`,
    },
  },
})
export const brand = style({ padding: '0 12px 20px', fontWeight: 600, letterSpacing: '-0.01em', '@media': { [narrow]: { display: 'none' } } })
export const nav = style({
  display: 'flex',
  alignItems: 'center',
  gap: 8,
  minHeight: 36,
  padding: '0 12px',
  borderRadius: 8,
  color: c.quiet,
  fontWeight: 500,
  selectors: { 'button&': { appearance: 'none', border: 0, background: 'none', cursor: 'pointer' }, '&:hover': { background: c.hover }, '&[aria-current=page]': { background: c.hover, color: c.text } },
  '@media': { [narrow]: { flex: 1, justifyContent: 'center', minHeight: 40 } },
})
export const sideEnd = style({ display: 'grid', gap: 8, padding: '0 12px', color: c.quiet, fontSize: 13, '@media': { [narrow]: { display: 'none' } } })
// Where there is no side, it lies above the bar and pushes nothing.
export const lost = style({
  display: 'flex',
  flexWrap: 'wrap',
  gap: 8,
  alignItems: 'center',
  minHeight: 20,
  marginTop: 'auto',
  padding: '0 12px',
  color: c.quiet,
  fontSize: 13,
  '@media': {
    [narrow]: {
      position: 'absolute',
      left: 0,
      right: 0,
      bottom: '100%',
      minHeight: 0,
      margin: 0,
      background: c.surface,
      selectors: { '&:not(:empty)': { padding: '6px 16px', borderTop: `1px solid ${c.line}` } },
    },
  },
})
export const account = style({ display: 'none', '@media': { [narrow]: { display: 'flex', flex: 1 } } })

export const main = style({ padding: '24px 32px 96px', minWidth: 0, '@media': { [narrow]: { padding: '16px 16px 32px' } } })
export const page = style({ maxWidth: 960, display: 'grid', gap: 24, minWidth: 0, gridTemplateColumns: 'minmax(0, 1fr)' })
export const head = style({ display: 'flex', alignItems: 'center', gap: 8, minHeight: 36, flexWrap: 'wrap' })
export const heading = style({ display: 'grid', gridTemplateColumns: 'minmax(0, 1fr)', gap: 4 })
export const h1 = style({ textAlign: 'left', fontSize: 20, lineHeight: '28px', fontWeight: 600, letterSpacing: '-0.01em', flex: 1, minWidth: 0, overflowWrap: 'anywhere', '@media': { [narrow]: { flex: '1 1 100%' } } })
export const section = style({ display: 'grid', gap: 12, minWidth: 0, gridTemplateColumns: 'minmax(0, 1fr)', paddingTop: 20, borderTop: `1px solid ${c.line}` })
export const h2 = style({ fontSize: 14, fontWeight: 600, flex: 1 })
// The key stands in the field until somebody types there.
export const find = style({ position: 'relative', width: 'min(220px, 100%)', '@media': { [narrow]: { flex: 1 } } })
export const findKey = style({ position: 'absolute', right: 10, top: 9, color: c.quiet, pointerEvents: 'none', selectors: { 'input:not(:placeholder-shown) ~ &, input:focus ~ &': { display: 'none' } } })
export const filter = style({ width: 'min(220px, 100%)', '@media': { [narrow]: { flex: '1 1 100%' } } })

// One grid for all rows, so that their columns agree.
export const list = style({
  display: 'grid',
  // The first and last tracks hold the rows' own padding too.
  gridTemplateColumns: '20px minmax(0, 5fr) minmax(0, 6fr) auto',
  columnGap: 12,
  '@media': { [narrow]: { gridTemplateColumns: '12px minmax(0, 1fr) auto' } },
})
/** With a last track of its own width: lists under each other agree. */
export const lists = style([list, { gridTemplateColumns: '20px minmax(0, 5fr) minmax(0, 6fr) 212px' }])
export const item = style({
  position: 'relative',
  display: 'grid',
  gridColumn: '1 / -1',
  gridTemplateColumns: 'subgrid',
  alignItems: 'center',
  minHeight: 48,
  padding: '4px 8px 4px 12px',
  borderTop: `1px solid ${c.line}`,
  selectors: { '&:hover': { background: c.hover } },
  '@media': {
    [narrow]: { gridTemplateAreas: '"dot name actions" "dot facts actions"', rowGap: 0, minHeight: 60, padding: '8px 0 8px 4px' },
  },
})
const area = (name: string) => ({ '@media': { [narrow]: { gridArea: name } } })
// An address stays on its line; what does not fit is cut, the button beside it copies the whole.
export const address = style({ display: 'flex', alignItems: 'baseline', gap: 4, minWidth: 0, maxWidth: '100%' })
export const addressText = style({ minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' })
export const itemDot = style([{ display: 'inline-flex' }, area('dot')])
export const itemName = style([{ fontWeight: 500, textAlign: 'left', minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }, area('name')])
// The whole row opens the room; its buttons lie above.
export const cover = style({ '::after': { content: '', position: 'absolute', inset: 0 } })
export const itemFacts = style([{ color: c.quiet, fontVariantNumeric: 'tabular-nums', minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', '@media': { [narrow]: { whiteSpace: 'normal' } } }, area('facts')])
export const itemActions = style([
  {
    position: 'relative',
    zIndex: 1,
    display: 'flex',
    gap: 0,
    justifyContent: 'flex-end',
  },
  area('actions'),
])

export const facts = style({ display: 'grid', gridTemplateColumns: 'minmax(96px, 168px) minmax(0, 1fr)', gap: '4px 16px', alignItems: 'baseline', '@media': { [narrow]: { gridTemplateColumns: 'minmax(0, 1fr)', gap: 0 } } })
export const factName = style({ color: c.quiet, '@media': { [narrow]: { paddingTop: 8 } } })
export const person = style({ paddingRight: 16 })
export const factNote = style({ display: 'block', fontSize: 13 })
export const factValue = style({ minHeight: 28, display: 'flex', alignItems: 'baseline', gap: '0 8px', flexWrap: 'wrap', minWidth: 0, overflowWrap: 'anywhere', fontVariantNumeric: 'tabular-nums', '@media': { [narrow]: { minHeight: 0 } } })
