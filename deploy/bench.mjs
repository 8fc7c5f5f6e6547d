// `npm run bench`: set-up first, then the benchmarks under the pinned Node.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
run(join(here, 'setup.mjs'))
run(join(here, 'node24.mjs'), join(here, '..', 'test', 'bench', 'main.ts'), ...process.argv.slice(2))
