import { vanillaExtractPlugin } from '@vanilla-extract/vite-plugin'
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// OvenPlayer brings a style sheet for controls we do not show, with fonts as
// data: URLs, and style attributes in its markup. Left out, so that no policy
// needs them (player/stage.css.ts lays the video out; what it hides at first
// is hidden by attribute). Pinned and checked: another version must be looked at.
const bareOvenPlayer: Plugin = {
  name: 'colourstream:bare-ovenplayer',
  transform(code, id) {
    if (!id.includes('ovenplayer/dist/ovenplayer.js')) return null
    const insertion = /(This probably means that the value for the 'insert' parameter is invalid\."\);)\w+\.appendChild\(\w+\)/
    if (!insertion.test(code)) this.error('OvenPlayer inserts its styles in another way than before')
    const bare = code
      .replace(insertion, '$1')
      .replace(/data:font\/ttf;base64,[\w+/=]*/g, 'data:,')
      .replaceAll(' style="display: none;"', ' hidden')
      .replaceAll(' style="', ' data-style="')
    return { code: bare, map: null }
  },
}

export default defineConfig(({ mode }) => ({
  plugins: [react(), vanillaExtractPlugin(), bareOvenPlayer],
  // `vite build --mode mock` plays a drawn picture instead of a stream, for
  // the screenshots; the real bundle knows nothing of it.
  resolve: mode === 'mock' ? { alias: { ovenplayer: here('./mock/picture.ts') } } : {},
  build: {
    outDir: mode === 'mock' ? '.cache/dist' : 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // Everything is fetched from our own host under /assets, hashed for ever.
    assetsDir: 'assets',
    // The page's policy has no data: URLs for scripts or fonts.
    assetsInlineLimit: 0,
    manifest: 'manifest.json',
    chunkSizeWarningLimit: 700,
    rollupOptions: { input: { live: here('./live.html'), admin: here('./admin.html') } },
  },
  test: {
    environment: 'happy-dom',
    setupFiles: ['test/setup.ts'],
    include: ['test/**/*.test.{ts,tsx}'],
    restoreMocks: true,
  },
}))
