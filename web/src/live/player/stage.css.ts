// OvenPlayer in a box of ours: no padding, no controls, no colours of its own.
import { globalStyle, style } from '@vanilla-extract/css'

export const stage = style({ position: 'absolute', inset: 0, containerType: 'size' })

// OvenPlayer keeps a 16:9 box by padding; ours is the half. Isolated: nothing
// of it can rise above the watermark.
globalStyle('.picture-box', { position: 'absolute', inset: 0, opacity: 0, isolation: 'isolate' })
globalStyle('.picture-box.is-playing', { opacity: 1 })
globalStyle(
  '.picture-box > div, .picture-box .ovenplayer, .picture-box .op-wrapper, .picture-box .op-core, .picture-box .op-player, .picture-box .op-media-element-container',
  { position: 'absolute !important' as 'absolute', inset: '0', width: '100% !important', height: '100% !important', padding: '0 !important', background: 'transparent !important' },
)
globalStyle('.picture-box .op-ratio', { paddingBottom: '0 !important', height: '100% !important' })
// Its controls, messages and spinner are ours to draw.
globalStyle('.picture-box .op-ui, .picture-box .op-message-box, .picture-box .op-spinner-container', { display: 'none !important' })
globalStyle('.picture-box video', { width: '100% !important', height: '100% !important', objectFit: 'contain', display: 'block', background: 'transparent' })
