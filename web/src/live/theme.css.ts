// The screening room: exact neutral greys only (equal R, G, B). The three
// state colours appear as dots and thin lines, never as areas.
import { createGlobalTheme, globalStyle } from '@vanilla-extract/css'

export const tone = createGlobalTheme(':root', {
  page: '#000000',
  bar: '#111111',
  raised: '#1c1c1c',
  line: '#333333',
  text: '#c8c8c8',
  strong: '#e6e6e6',
  quiet: '#8a8a8a',
  live: '#e5484d',
  good: '#30a46c',
  warning: '#f5a524',
})

export const font =
  '-apple-system, BlinkMacSystemFont, "Segoe UI Variable Text", "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif'

globalStyle('*, *::before, *::after', { boxSizing: 'border-box' })
globalStyle('html, body, #root', { margin: 0, height: '100%' })
globalStyle('html', { background: tone.page, colorScheme: 'dark' })
globalStyle('body', {
  overflow: 'hidden',
  background: tone.page,
  color: tone.text,
  font: `14px/20px ${font}`,
  WebkitFontSmoothing: 'antialiased',
  WebkitTapHighlightColor: 'transparent',
})
globalStyle('button, input', { font: 'inherit', color: 'inherit' })
globalStyle('h1, h2, h3, p, dl, dd, ul, ol', { margin: 0, padding: 0 })
globalStyle('ul, ol', { listStyle: 'none' })
// A neutral ring: no coloured glow beside the picture.
globalStyle(':focus-visible', { outline: `2px solid ${tone.text}`, outlineOffset: 2 })
// A heading is gone to by the page, not by a person.
globalStyle('h1:focus-visible', { outline: 'none' })
globalStyle('[hidden]', { display: 'none !important' })
