import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Plane } from '../../vault/plane.ts'
import { barrierOnTheWayTo, systemHome } from './reachable.ts'
import { ensureSystemUser, isRoot, type RunAs } from './system-user.ts'

/** Who runs what. Without root, everything runs as whoever started it, and the planes are not separated. */
export type Owners = Readonly<Record<Plane | 'postgres', RunAs | undefined>>

/** Finds the system users of an installation, making them where they are missing. */
export function findOwners(): Owners {
  if (!isRoot()) return { vault: undefined, recorder: undefined, api: undefined, postgres: undefined }
  return {
    vault: ensureSystemUser('tagout-vault'),
    recorder: ensureSystemUser('tagout-recorder'),
    api: ensureSystemUser('tagout-api'),
    postgres: ensureSystemUser('tagout-postgres'),
  }
}

/** The longest of our sockets' paths below the data folder, and what a Unix socket's path may have. */
const longestSocket = '/postgres/socket/.s.PGSQL.5432'.length
const longestPath = 107

/**
 * Finds the real data folder of `given`, making it where it is missing. As root, below a folder that others cannot
 * enter (a clone under /root), the data lie under /var/lib/tagout and `given` becomes a link to them.
 */
export function openDataFolder(given: string, fallback: string | undefined): string {
  const path = resolve(given)
  const barrier = isRoot() ? barrierOnTheWayTo(path) : undefined
  if (barrier !== undefined && !leadsOut(path)) {
    if (existsSync(path)) {
      if (!lstatSync(path).isDirectory() || readdirSync(path).length > 0)
        throw new Fault(
          'configuration',
          `${path} lies below ${barrier}, which the planes' users cannot enter, and is not empty: give --data a folder under /var/lib/tagout`,
        )
      rmdirSync(path)
    }
    const real = fallback ?? join(systemHome, 'instances', randomBytes(4).toString('hex'))
    mkdirSync(real, { recursive: true })
    mkdirSync(dirname(path), { recursive: true })
    symlinkSync(real, path)
  } else {
    // Before anything is made: a refusal leaves nothing behind.
    if (!existsSync(path)) requireShort(path)
    mkdirSync(path, { recursive: true, mode: 0o700 })
  }
  const real = realpathSync(path)
  requireShort(real)
  return real
}

function requireShort(path: string): void {
  if (Buffer.byteLength(path) + longestSocket > longestPath)
    throw new Fault(
      'configuration',
      `the path of the data folder is too long for Unix sockets (${path}): give --data a path of at most ${longestPath - longestSocket} bytes`,
    )
}

function leadsOut(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && barrierOnTheWayTo(realpathSync(path)) === undefined
  } catch {
    return false
  }
}

/** Lays out the data folder, and puts right what of its modes and owners has changed. */
export function layOut(dataDir: string, owners: Owners): void {
  const separate = owners.vault !== undefined
  // Others may pass through to the sockets and read ready.json; they cannot list.
  chmodSync(dataDir, separate ? 0o711 : 0o700)
  const folder = (name: string, mode: number, owner: RunAs | undefined) => {
    const path = join(dataDir, name)
    mkdirSync(path, { recursive: true, mode })
    if (lstatSync(path).isSymbolicLink())
      throw new Fault('configuration', `${path} is a link: the parts of a data folder are folders of its own`)
    chmodSync(path, mode)
    if (owner !== undefined) lchownSync(path, owner.uid, owner.gid)
  }
  const group = owners.vault?.gid
  folder('supervisor', 0o700, undefined)
  folder('admin', 0o700, owners.vault)
  // SECURITY: sticky, so that no plane can take away another's socket.
  folder('run', separate ? 0o1770 : 0o700, group === undefined ? undefined : { uid: 0, gid: group })
  folder('vault', 0o700, owners.vault)
  folder('recorder', 0o700, owners.recorder)
  folder('api', 0o700, owners.api)
  folder('backups', 0o700, undefined)
}

/**
 * Writes a file whole or not at all, and gives it to `owner`.
 *
 * SECURITY: the folder may belong to a plane's user. Nothing there is followed or overwritten in place: a new file
 * is made, its owner is set through its descriptor, and it takes the name.
 */
export function writeFor(owner: RunAs | undefined, path: string, text: string, mode: number): void {
  const draft = join(dirname(path), `.${randomBytes(8).toString('hex')}`)
  const file = openSync(draft, 'wx', mode)
  try {
    if (owner !== undefined) fchownSync(file, owner.uid, owner.gid)
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}
