import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** The console: built once, served from the api's own origin, loading nothing from elsewhere. */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
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
