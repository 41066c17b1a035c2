import { style, styleVariants } from '@vanilla-extract/css'
import { c, mono } from '../../ui/theme.css'

export const service = style({
  display: 'grid',
  gridTemplateColumns: '8px minmax(0, 4fr) repeat(3, minmax(64px, 2fr)) minmax(72px, 1fr)',
  gap: '0 12px',
  alignItems: 'baseline',
  padding: '10px 8px 10px 12px',
  borderTop: `1px solid ${c.line}`,
  fontVariantNumeric: 'tabular-nums',
  // The four words under the name, beside each other.
  '@media': { '(max-width: 720px)': { gridTemplateColumns: '8px repeat(4, auto) minmax(0, 1fr)', padding: '10px 0 10px 4px' } },
})
export const serviceHead = style([service, { color: c.quiet, fontSize: 13, padding: '0 8px 6px 12px', borderTop: 0, '@media': { '(max-width: 720px)': { display: 'none' } } }])
export const serviceName = style({ fontWeight: 500, '@media': { '(max-width: 720px)': { gridColumn: '2 / -1' } } })
export const serviceCell = style({ minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap', '@media': { '(max-width: 720px)': { color: c.quiet, fontSize: 13 } } })
export const serviceFirst = style([serviceCell, { '@media': { '(max-width: 720px)': { gridColumn: 2 } } }])
export const serviceWhy = style({ gridColumn: '2 / -1', color: c.quiet, fontSize: 13, overflowWrap: 'anywhere' })
export const serviceTrouble = style({ color: c.text })
export const bar = style({ height: 4, borderRadius: 2, background: c.line, overflow: 'hidden', marginTop: 4, width: 160 })
export const barFill = style({ height: '100%', background: c.accent })

export const tree = style({ font: `13px/22px ${mono}`, overflowX: 'auto' })
export const lane = style({ color: c.quiet })
export const step = style({ display: 'grid', gridTemplateColumns: '20px minmax(0, 1fr)', overflowWrap: 'anywhere' })
export const sign = styleVariants({
  '+': { color: c.good },
  '~': { color: c.accent },
  '-': { color: c.bad },
  '⏸': { color: c.warning },
})

export const issue = style({ display: 'grid', gridTemplateColumns: 'minmax(0, 1fr) auto', gap: 12, alignItems: 'start', '@media': { '(max-width: 480px)': { gridTemplateColumns: 'minmax(0, 1fr)' } } })
export const remedies = style({ display: 'flex', gap: 8, flexWrap: 'wrap', justifyContent: 'flex-end', maxWidth: 320, '@media': { '(max-width: 480px)': { justifyContent: 'flex-start' } } })
export const entry = style({ display: 'grid', gridTemplateColumns: '112px 8px minmax(0, 1fr) auto', gap: 12, padding: '6px 0', alignItems: 'baseline', overflowWrap: 'anywhere', '@media': { '(max-width: 480px)': { gridTemplateColumns: '8px minmax(0, 1fr) auto' } } })
export const entryWhen = style({ color: c.quiet, fontSize: 13, fontVariantNumeric: 'tabular-nums', '@media': { '(max-width: 480px)': { gridColumn: '2 / -1', gridRow: 2 } } })
export const entryTook = style({ color: c.quiet, fontSize: 13, fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' })

export const text = style({
  font: `12px/18px ${mono}`,
  background: c.sunken,
  border: `1px solid ${c.line}`,
  borderRadius: 8,
  padding: 12,
  overflow: 'auto',
  maxHeight: 360,
  minHeight: 80,
  whiteSpace: 'pre',
  tabSize: 2,
})
export const gap = style({ borderTop: `1px solid ${c.warning}`, margin: '4px 0', paddingTop: 2 })
export const diff = style({ display: 'grid', gap: 4, margin: '4px 0 12px 12px', gridTemplateColumns: 'minmax(0, 1fr)' })
export const legend = style({ display: 'flex', gap: 16, font: `12px/18px ${mono}` })
export const diffLine = styleVariants({ add: { color: c.good }, remove: { color: c.bad }, hunk: { color: c.accent }, same: {} })

export const plots = style({ display: 'grid', gridTemplateColumns: 'repeat(auto-fit, minmax(min(220px, 100%), 1fr))', gap: 24 })
export const plot = style({ display: 'grid', gap: 4, minWidth: 0 })
export const plotHead = style({ display: 'flex', justifyContent: 'space-between', gap: 8, fontVariantNumeric: 'tabular-nums' })
export const plotSvg = style({ display: 'block', width: '100%', height: 56, color: c.accent, borderBottom: `1px solid ${c.line}` })
export const plotMark = style({ fill: 'none', stroke: c.line, strokeWidth: 1 })
export const plotAxis = style({ display: 'flex', justifyContent: 'space-between', color: c.quiet, fontSize: 12, lineHeight: '16px', fontVariantNumeric: 'tabular-nums' })
export const tabs = style({ display: 'flex', gap: 4, flexWrap: 'wrap' })
export const tab = style({ appearance: 'none', border: 0, background: 'none', borderRadius: 8, padding: '0 10px', minHeight: 32, color: c.quiet, cursor: 'pointer', fontWeight: 500, selectors: { '&:hover': { background: c.hover }, '&[aria-pressed=true]': { background: c.hover, color: c.text } }, '@media': { '(pointer: coarse)': { minHeight: 40 } } })
export const fileButton = style({ appearance: 'none', border: 0, background: 'none', textAlign: 'left', padding: '4px 8px 4px 12px', minHeight: 36, width: '100%', display: 'grid', gridTemplateColumns: '8px minmax(0, 1fr) auto', gap: 12, alignItems: 'center', cursor: 'pointer', borderRadius: 8, ':hover': { background: c.hover } })
