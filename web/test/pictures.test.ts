// Every picture of the live page that the browser tests take has a caption,
// and every caption its picture.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { LIVE_PICTURES, PORTAL_PICTURES } from '../e2e/pictures.mjs'

it('the pictures of the live page and their captions are the same', () => {
  const book = readFileSync('../docs/screens/README.md', 'utf8')
  const section = book.split(/^## /m).find((part) => part.startsWith('Live page')) ?? ''
  const captions = [...section.matchAll(/!\[\]\((.+)\.png\) \| \*\*(.+)\*\*: \S/g)]
  expect(captions.map(([, file]) => file)).toEqual(captions.map(([, , name]) => name))
  expect(captions.map(([, file]) => file).sort()).toEqual(Object.values(LIVE_PICTURES).sort())
})
it('every picture of the portal is shown', () => {
  const book = readFileSync('../docs/screens/README.md', 'utf8')
  const section = book.split(/^## /m).find((part) => part.startsWith('Portal')) ?? ''
  const shown = [...section.matchAll(/!\[[^\]]+\]\((.+?)\.png\)/g)].map(([, file]) => file)
  expect(shown.sort()).toEqual(Object.values(PORTAL_PICTURES).sort())
})
it('no two shots become the same picture', () => {
  const files = [...Object.values(LIVE_PICTURES), ...Object.values(PORTAL_PICTURES)]
  expect(new Set(files).size).toBe(files.length)
})
