import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** Makes `npx tagout` work in the clone: npm links the commands of a package's dependencies, not its own. */
export function setUpCommand(say: (line: string) => void): void {
  const program = join(root, 'deploy', 'tagout.mjs')
  // A clone without execute bits (some file systems, some archives) is put right.
  if ((statSync(program).mode & 0o111) === 0) chmodSync(program, 0o755)
  const bin = join(root, 'node_modules', '.bin')
  const link = join(bin, 'tagout')
  const wanted = '../../deploy/tagout.mjs'
  if (existsSync(link) && lstatSync(link).isSymbolicLink() && readlinkSync(link) === wanted) return
  mkdirSync(bin, { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(wanted, link)
  say('made the command: npx tagout')
}
