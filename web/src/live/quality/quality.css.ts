import { style } from '@vanilla-extract/css'
import { qualityPanel } from '../room/room.css'
import { tone } from '../theme.css'

export const quality = qualityPanel

// A narrow panel has its names above its figures.
const narrow = '(max-width: 480px), (orientation: landscape) and (max-height: 480px)'
export const columns = style({ display: 'grid', gridTemplateColumns: 'repeat(3, minmax(0, 1fr))', gap: 16, '@media': { [narrow]: { gap: 12 } } })
export const head = style({ display: 'flex', alignItems: 'center', gap: 8, fontWeight: 600, color: tone.strong, fontSize: 13 })
export const line = style({ minHeight: 40, fontSize: 13, lineHeight: '20px' })
export const figures = style({ display: 'grid', alignContent: 'start', gridTemplateColumns: 'minmax(0, 1fr) auto', gap: '0 8px', fontSize: 12, lineHeight: '17px', fontVariantNumeric: 'tabular-nums', '@media': { [narrow]: { gridTemplateColumns: '1fr', gap: 0 } } })
export const name = style({ color: tone.quiet })
export const value = style({ color: tone.text, textAlign: 'right', whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis', '@media': { [narrow]: { textAlign: 'left', marginBottom: 4 } } })
export const advice = style({ borderLeft: '2px solid', paddingLeft: 12, minHeight: 40 })
export const note = style({ color: tone.quiet, fontSize: 12, lineHeight: '16px' })
