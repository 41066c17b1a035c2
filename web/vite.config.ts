import { vanillaExtractPlugin } from '@vanilla-extract/vite-plugin'
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig(({ mode }) => ({
  plugins: [react(), vanillaExtractPlugin()],
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
