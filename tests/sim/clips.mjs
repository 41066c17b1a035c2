// Makes assets/h264.mp4 again from assets/film.js: frames drawn by Chromium,
// encoded by ffmpeg. Not part of any build: the clip is committed.
//
//   (cd web && npm ci) && node tests/sim/clips.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from '../../web/node_modules/playwright-core/index.mjs'

const assets = fileURLToPath(new URL('assets/', import.meta.url))
const RATE = 30
const folder = mkdtempSync(join(tmpdir(), 'film-'))
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
try {
  const page = await browser.newPage()
  await page.addScriptTag({ type: 'module', content: `${readFileSync(join(assets, 'film.js'), 'utf8')};Object.assign(window, { film, LOOP })` })
  await page.waitForFunction(() => window.film)
  const frames = await page.evaluate(() => window.LOOP) * RATE
  for (let n = 0; n < frames; n++) {
    const picture = await page.evaluate((seconds) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 })
      window.film(canvas.getContext('2d', { alpha: false }), 640, 360, seconds)
      return canvas.toDataURL('image/png').split(',')[1]
    }, n / RATE)
    writeFileSync(join(folder, `${String(n).padStart(3, '0')}.png`), Buffer.from(picture, 'base64'))
  }
  execFileSync('ffmpeg', [
    '-y', '-loglevel', 'error', '-framerate', String(RATE), '-i', join(folder, '%03d.png'),
    '-c:v', 'libx264', '-profile:v', 'baseline', '-level', '3.0', '-preset', 'slow', '-crf', '25', '-g', '30', '-keyint_min', '30', '-sc_threshold', '0', '-bf', '0', '-pix_fmt', 'yuv420p',
    '-movflags', '+frag_keyframe+empty_moov+default_base_moof', '-map_metadata', '-1', '-fflags', '+bitexact', '-flags', '+bitexact', join(assets, 'h264.mp4'),
  ])
} finally {
  await browser.close()
  rmSync(folder, { recursive: true, force: true })
}
