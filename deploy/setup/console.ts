import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** What the console is made of: its own pages, and what of the planes runs in browsers too. */
const sources = [
  'web',
  'vault/kernel',
  'vault/contract.ts',
  'vault/auditors',
  'vault/intake.ts',
  'vault/proof',
  'vault/audit',
  'recorder/replay',
  'recorder/evidence',
  'recorder/live/protocol.ts',
  'package-lock.json',
]

/** Builds the console into `web/dist`, when what it is made of has changed since. */
export function setUpConsole(say: (line: string) => void): void {
  if (!existsSync(join(root, 'web', 'index.html'))) return
  const hash = hashOf(sources)
  const stamp = join(root, 'web', 'dist', '.sources')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  say('building the console')
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vite, 'build', 'web', '--logLevel', 'warn'],
    {
      cwd: root,
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(`the console could not be built:\n${stderr}${stdout}`)
  writeFileSync(stamp, hash)
}

function hashOf(paths: readonly string[]): string {
  const hash = createHash('sha256')
  for (const path of paths) {
    const full = join(root, path)
    if (!existsSync(full)) continue
    for (const file of filesUnder(full)) {
      const bytes = readFileSync(file)
      hash.update(`${relative(root, file)}\0${bytes.length}\0`).update(bytes)
    }
  }
  return hash.digest('hex')
}

function filesUnder(path: string): readonly string[] {
  if (statSync(path).isFile()) return [path]
  const entries = readdirSync(path, { withFileTypes: true, recursive: true, encoding: 'utf8' })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !relative(root, file).startsWith(join('web', 'dist')))
    .sort()
}
