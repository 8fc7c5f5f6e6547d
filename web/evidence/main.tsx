import '@patternfly/react-core/dist/styles/base.css'
import '@xterm/xterm/css/xterm.css'
import { createRoot } from 'react-dom/client'
import { fromBase64 } from '../../vault/kernel/encoding.ts'
import { followColourScheme } from '../shell/colour-scheme.ts'
import { EvidencePage } from './evidence-page.tsx'
// Last, so that it wins over the components' own styles.
import '../console.css'

/** The files that the page was made with. */
function filesInPage(): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const block of document.querySelectorAll('script[data-file]'))
    files.set(block.getAttribute('data-file') ?? '', fromBase64(block.textContent ?? ''))
  return files
}

followColourScheme()
const root = document.getElementById('root')
if (root !== null) createRoot(root).render(<EvidencePage files={filesInPage()} />)
