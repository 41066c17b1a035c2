// The desk: light and dark, both calm. One accent, one radius, one shadow, a
// 4-px grid, 14/20 text. All pairs of text and ground reach AA.
import { createGlobalThemeContract, assignVars, globalStyle } from '@vanilla-extract/css'
import { dark, light } from './tokens'

export const c = createGlobalThemeContract(
  {
    ground: null,
    surface: null,
    sunken: null,
    hover: null,
    line: null,
    edge: null,
    text: null,
    quiet: null,
    accent: null,
    onAccent: null,
    accentSoft: null,
    good: null,
    warning: null,
    bad: null,
    badSoft: null,
    shadow: null,
  },
  (_value, path) => `desk-${path.join('-')}`,
)

globalStyle(':root', { vars: assignVars(c, light) })
globalStyle(':root', { '@media': { '(prefers-color-scheme: dark)': { vars: assignVars(c, dark) } } })

export const sans = '"Geist Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif'
export const mono = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

globalStyle('*, *::before, *::after', { boxSizing: 'border-box' })
// The gutter stays: a scroll bar that comes with the content would push it aside.
globalStyle('html', { background: c.ground, colorScheme: 'light dark', scrollbarGutter: 'stable' })
globalStyle('body', { margin: 0, background: c.ground, color: c.text, font: `14px/20px ${sans}`, WebkitFontSmoothing: 'antialiased' })
globalStyle('button, input, select, textarea', { font: 'inherit', color: 'inherit' })
globalStyle('h1, h2, h3, p, dl, dd, dt, ul, ol, pre, fieldset, legend', { margin: 0, padding: 0, border: 0 })
globalStyle('ul, ol', { listStyle: 'none' })
globalStyle('a', { color: 'inherit', textDecoration: 'none' })
globalStyle(':focus-visible', { outline: `2px solid ${c.accent}`, outlineOffset: 2 })
// A heading is gone to by the page, not by a person.
globalStyle('h1:focus-visible', { outline: 'none' })
globalStyle('[hidden]', { display: 'none !important' })
globalStyle('time, code', { fontVariantNumeric: 'tabular-nums' })
