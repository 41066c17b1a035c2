// The desk: light and dark, both calm. One accent, one radius, one shadow, a
// 4-px grid, 14/20 text. All pairs of text and ground reach AA.
import { createGlobalThemeContract, assignVars, globalStyle } from '@vanilla-extract/css'

export const c = createGlobalThemeContract(
  {
    ground: null,
    surface: null,
    sunken: null,
    hover: null,
    line: null,
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

const light = {
  ground: '#fafafb',
  surface: '#ffffff',
  sunken: '#f1f2f4',
  hover: '#f1f3f6',
  line: '#dfe1e6',
  text: '#1a1c1f',
  quiet: '#5b616b',
  accent: '#2c5aa8',
  onAccent: '#ffffff',
  accentSoft: '#e8eef8',
  good: '#1f8a57',
  warning: '#b26a00',
  bad: '#c9353b',
  badSoft: '#fbecec',
  shadow: '0 8px 28px rgb(20 24 32 / 16%), 0 0 0 1px rgb(20 24 32 / 6%)',
}

const dark: typeof light = {
  ground: '#121315',
  surface: '#191a1d',
  sunken: '#0d0e10',
  hover: '#212327',
  line: '#2c2f34',
  text: '#e5e7ea',
  quiet: '#9ca2ab',
  accent: '#8db1ee',
  onAccent: '#0d1420',
  accentSoft: '#1d2736',
  good: '#3cb87c',
  warning: '#f0a93a',
  bad: '#f2767b',
  badSoft: '#331b1d',
  shadow: '0 8px 28px rgb(0 0 0 / 50%), 0 0 0 1px rgb(255 255 255 / 7%)',
}

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
globalStyle('[hidden]', { display: 'none !important' })
globalStyle('time, code', { fontVariantNumeric: 'tabular-nums' })
