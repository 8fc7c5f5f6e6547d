// `npm start`: set-up, which does only what is missing, then the installation.
import { join } from 'node:path'
import { becomePinned, root } from './pinned-node.mjs'
import { setUp } from './setup/set-up.mjs'

const args = process.argv.slice(2)
const asksOnly = args.includes('--help') || args.includes('-h')
// Standard output belongs to the one line that says where the installation answers.
setUp((line) => (asksOnly ? undefined : console.error(line)))
becomePinned(join(root, 'deploy', 'main.ts'), args, { endWithNpm: true })
