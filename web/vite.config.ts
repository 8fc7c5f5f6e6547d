import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { build, defineConfig, type Plugin } from 'vite'

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

/** Builds the page of evidence packages after the console, into the same folder: who makes a package fetches it. */
function withEvidence(): Plugin {
  return {
    name: 'with-evidence',
    async closeBundle() {
      await build({ configFile: join(import.meta.dirname, 'evidence', 'vite.config.ts'), logLevel: 'warn' })
    },
  }
}

/** The console: built once, served from the api's own origin, loading nothing from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), packed(join(import.meta.dirname, 'dist', 'assets')), withEvidence()],
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
