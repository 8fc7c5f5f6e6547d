// `npm test`: set-up, the programs that tests speak to, the checks, then all tests. Plain JavaScript for any Node.
// The last line is `N passed, N failed`. Arguments go to vitest: `npm test -- test/unit`.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pinnedNode, root } from './pinned-node.mjs'
import { setUp } from './setup/set-up.mjs'
import { installTestPackages } from './setup/test-packages.mjs'

const say = (line) => console.error(line)
setUp(say)
installTestPackages(say)

const run = (file, args, env = {}) =>
  spawnSync(pinnedNode(), ['--disable-warning=ExperimentalWarning', join(root, file), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  }).status ?? 1

// Desktops: where it cannot be had, the tests that need it say so.
run('deploy/setup/install-guacd.ts', [])

const checked = run('deploy/check.ts', [])
// A check that failed counts in the last line as a test does.
const tested = run('node_modules/vitest/vitest.mjs', ['run', ...process.argv.slice(2)], {
  TAGOUT_CHECKS_FAILED: checked === 0 ? '0' : '1',
})
process.exit(checked !== 0 ? checked : tested)
