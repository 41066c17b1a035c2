// What a visitor downloads before the first picture may be asked for: the
// page, its entry script, everything that script imports at once, its styles.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const LIMIT_KIB = 90
const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('manifest.json', dist), 'utf8'))

const files = new Set(['live.html'])
function add(key) {
  const chunk = manifest[key]
  if (files.has(chunk.file)) return
  files.add(chunk.file)
  for (const css of chunk.css ?? []) files.add(css)
  for (const imported of chunk.imports ?? []) add(imported)
}
add('live.html')

let total = 0
for (const file of files) {
  const size = gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length
  total += size
  console.log(`${(size / 1024).toFixed(1).padStart(7)} KiB  ${file}`)
}
console.log(`${(total / 1024).toFixed(1).padStart(7)} KiB  first load of the live page, gzip (limit ${LIMIT_KIB})`)
if (total > LIMIT_KIB * 1024) {
  console.error('The first load of the live page is too heavy.')
  process.exit(1)
}
