import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Packs scripts and styles once, at the build: the api compresses nothing while it serves. */
function packed(folder: string): Plugin {
  return {
    name: 'packed',
    closeBundle() {
      for (const name of readdirSync(folder).filter((file) => /\.(?:js|css|svg)$/.test(file)))
        writeFileSync(join(folder, `${name}.gz`), gzipSync(readFileSync(join(folder, name)), { level: 9 }))
    },
  }
}

/** The console: built once, served from the api's own origin, loading nothing from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), packed(join(import.meta.dirname, 'dist', 'assets'))],
  worker: { format: 'es' },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // SECURITY: nothing inlined as `data:`, so that the policy on fonts and scripts needs no exception.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2_000,
  },
})
