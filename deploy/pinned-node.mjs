// Runs a file under the Node that this repository pins. Plain JavaScript for any Node from 18 on.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** The pinned Node's folder (`bin/node`, `include/node`), or undefined where it is not installed. */
export function pinnedNodeFolder() {
  const folder = join(root, 'node_modules', `node-${process.platform}-${process.arch}`)
  return existsSync(join(folder, 'bin', 'node')) ? folder : undefined
}

/** The pinned Node's program. Ends this process with a sentence where there is none. */
export function pinnedNode() {
  const folder = pinnedNodeFolder()
  if (folder !== undefined) return join(folder, 'bin', 'node')
  // A platform without a package of its own may bring its own Node of the same line.
  if (Number(process.versions.node.split('.')[0]) === 24) return process.execPath
  console.error(`tagout: Node 24 is not installed here; run: npm run setup`)
  process.exit(1)
}

/**
 * Becomes `file` under the pinned Node, as far as a process can: same terminal, signals passed on, same end.
 * With `endWithNpm` it also ends when the npm that runs it is killed, which npm tells nobody.
 */
export function becomePinned(file, args, { endWithNpm = false } = {}) {
  const child = spawn(pinnedNode(), ['--disable-warning=ExperimentalWarning', file, ...args], {
    stdio: 'inherit',
  })
  const parent = process.ppid
  if (endWithNpm && process.env.npm_lifecycle_event !== undefined)
    setInterval(() => {
      if (process.ppid !== parent) child.kill('SIGTERM')
    }, 250).unref()
  const passOn = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, passOn)
  child.on('error', (error) => {
    console.error(`tagout: cannot run ${pinnedNode()}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, passOn)
    process.kill(process.pid, signal)
    // A signal that does not end this process still ends it with the number that shells expect.
    setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100)
  })
}
