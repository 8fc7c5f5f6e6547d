import { createHash } from 'node:crypto'
import { join } from 'node:path'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Most bytes of the page without what it is about. */
const mostBytes = 3.5 * 1024 * 1024

/**
 * Puts script and styles into the page: it is opened from a memory stick, where it can load nothing.
 *
 * SECURITY: its policy names the one script by its hash. It connects to nowhere, and nothing in a recording is markup.
 */
function inOneFile(): Plugin {
  return {
    name: 'in-one-file',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const files = Object.entries(bundle)
      const page = files.find(([name]) => name.endsWith('.html'))?.[1]
      const script = files.flatMap(([, file]) => (file.type === 'chunk' ? [file.code] : []))
      const styles = files.flatMap(([name, file]) =>
        file.type === 'asset' && name.endsWith('.css') ? [String(file.source)] : [],
      )
      if (page?.type !== 'asset' || script.length !== 1)
        throw new Error(`the page of evidence has ${script.length} scripts instead of one`)
      // Nothing is loaded later: what Vite would put in here for that has no place.
      const whole = (script[0] ?? '').replaceAll('__VITE_PRELOAD__', 'void 0')
      const code = `\n${whole.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')}\n`
      // Fonts are left to the machine: they are as large as everything else.
      const css = styles
        .join('\n')
        .replaceAll(/@font-face\s*\{[^}]*\}/g, '')
        .replaceAll('</style', '')
      const hash = createHash('sha256').update(code).digest('base64')
      const policy = [
        "default-src 'none'",
        `script-src 'sha256-${hash}' 'wasm-unsafe-eval'`,
        "style-src 'unsafe-inline'",
        'img-src data: blob:',
        "base-uri 'none'",
        "form-action 'none'",
      ].join('; ')
      const html = String(page.source)
        .replaceAll(/\s*<(?:script|link)\b[^>]*(?:src|href)="[^"]*"[^>]*>(?:<\/script>)?/g, '')
        .replace('__POLICY__', policy)
        .replace('</head>', () => `<style>${css}</style></head>`)
        .replace('</body>', () => `<script type="module">${code}</script></body>`)
      if (html.length > mostBytes)
        throw new Error(`the page of evidence has ${html.length} bytes, and ${mostBytes} is the most`)
      for (const [name] of files) delete bundle[name]
      this.emitFile({ type: 'asset', fileName: 'evidence.html', source: html })
    },
  }
}

/** The page of an evidence package: one file, put beside the console. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  plugins: [react(), inOneFile()],
  build: {
    outDir: join(import.meta.dirname, '..', 'dist'),
    emptyOutDir: false,
    copyPublicDir: false,
    target: 'es2022',
    assetsInlineLimit: 10 * 1024 * 1024,
    cssCodeSplit: false,
    modulePreload: false,
    sourcemap: false,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: { output: { codeSplitting: false } },
  },
})
