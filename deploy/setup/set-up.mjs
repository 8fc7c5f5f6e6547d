import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pinnedNode, root } from '../pinned-node.mjs'
import { installDependencies, whatIsMissing } from './dependencies.mjs'

/**
 * Brings the clone into a state that can start: packages, then (under the pinned Node) the native binding, the
 * libraries' links, the console and the command. Ends this process with a sentence when that cannot be.
 */
export function setUp(say) {
  const missing = whatIsMissing(root)
  if (missing !== undefined) {
    say(`set-up: ${missing}; running npm ci --ignore-scripts`)
    const failure = installDependencies(root)
    if (failure !== undefined) {
      say(`set-up: ${failure}`)
      process.exit(1)
    }
  }
  const { status, error } = spawnSync(
    pinnedNode(),
    ['--disable-warning=ExperimentalWarning', join(root, 'deploy', 'setup', 'main.ts')],
    // What it says on standard output goes to standard error, where people read it.
    { stdio: ['ignore', 2, 2] },
  )
  if (status !== 0) {
    if (error !== undefined) say(`set-up: ${error.message}`)
    process.exit(status ?? 1)
  }
}
