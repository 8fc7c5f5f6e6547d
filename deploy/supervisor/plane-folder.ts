import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import { isRoot, type RunAs } from './system-user.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants
const maxFileBytes = 256 * 1024

/** A folder below a plane's own, held open. */
export type HeldFolder = Disposable & {
  /** The path of `name` in this very folder, whatever its own path leads to by now. */
  readonly at: (name: string) => string
}

/**
 * Opens the folder `path` below the folder of the plane that runs as `plane`, making it where it is missing.
 *
 * SECURITY: the plane may put anything in the place of `path`, at any time. A link is refused, and what is opened is
 * a folder that it made or ours; from then on it is named by its descriptor. Separated, it belongs to root, so that the
 * plane reads what is in it and plants nothing there.
 */
export function holdFolder(path: string, plane: RunAs | undefined): HeldFolder {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  try {
    mkdirSync(path, { mode: 0o755 })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
  const folder = openFolder(path)
  try {
    const { uid } = fstatSync(folder)
    if (plane !== undefined && isRoot()) {
      if (uid !== 0 && uid !== plane.uid)
        throw new Fault('configuration', `${path} belongs to user ${uid}: remove it and start again`)
      fchownSync(folder, 0, 0)
      fchmodSync(folder, 0o755)
    }
  } catch (error) {
    closeSync(folder)
    throw error
  }
  // Elsewhere than on Linux planes are not separated, and nobody else can have changed the path.
  const held = process.platform === 'linux' ? `/proc/self/fd/${folder}` : path
  return { at: (name) => join(held, name), [Symbol.dispose]: () => closeSync(folder) }
}

/** The text of a small file that a plane may have put there: undefined where it is missing, or no plain file. */
export function readPlaneFile(path: string): string | undefined {
  let file: number
  try {
    // Not blocking: opening a pipe would wait for whoever made it.
    file = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(codeOf(error))) return undefined
    throw error
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size > maxFileBytes) return undefined
    const bytes = Buffer.alloc(stat.size)
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0))
  } finally {
    closeSync(file)
  }
}

/**
 * Takes away what lies in `run/` before the planes start: sockets of the last run, and whatever a plane has put in the
 * place of another's since. The folder of the recorder's workers stays, empty.
 */
export function clearSockets(run: string): void {
  for (const entry of readdirSync(run, { withFileTypes: true })) {
    const path = join(run, entry.name)
    try {
      if (entry.isDirectory() && entry.name === 'live') clearSockets(path)
      else if (entry.isDirectory()) rmdirSync(path)
      else unlinkSync(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') continue
      throw new Fault('configuration', `${path} is in the way (${codeOf(error)}): remove it and start again`)
    }
  }
}

function openFolder(path: string): number {
  try {
    return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  } catch (error) {
    if (!['ELOOP', 'ENOTDIR'].includes(codeOf(error))) throw error
    throw new Fault(
      'configuration',
      `${path} is a link or no folder, which a start never makes: find out who put it there, remove it and start again`,
    )
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown'
}
