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
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
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
  if (!isRoot())
    return {
      vault: undefined,
      recorder: undefined,
      rotation: undefined,
      api: undefined,
      postgres: undefined,
    }
  return {
    vault: ensureSystemUser('tagout-vault'),
    recorder: ensureSystemUser('tagout-recorder'),
    rotation: ensureSystemUser('tagout-rotation'),
    api: ensureSystemUser('tagout-api'),
    postgres: ensureSystemUser('tagout-postgres'),
  }
}

/** The longest of our sockets' paths below the data folder, and what a Unix socket's path may have. */
const longestSocket = '/postgres/socket/.s.PGSQL.5432'.length
const longestPath = 107

/** A data folder that is to be started on. */
export type DataFolder = {
  /** Where the data really lie. */
  readonly path: string
  /** Takes away again what opening made, for a start that is refused. What has something in it stays. */
  readonly takeBack: () => void
}

/**
 * Finds the real data folder of `given`, making it where it is missing. As root, below a folder that others cannot
 * enter (a clone under /root), the data lie under /var/lib/tagout and `given` becomes a link to them.
 */
export function openDataFolder(given: string, fallback: string | undefined): DataFolder {
  const path = resolve(given)
  refuseDanglingLink(path)
  const undo: (() => void)[] = []
  const takeBack = () => {
    for (const step of undo.splice(0).reverse()) step()
  }
  try {
    const target = existsSync(path) ? realpathSync(path) : path
    // The folder itself is opened to the planes by `layOut`; what lies above it is not ours to change.
    const barrier = isRoot() ? barrierOnTheWayTo(dirname(target)) : undefined
    if (barrier === undefined) {
      // Before anything is made: a refusal leaves nothing behind.
      requireShort(target)
      makeFolder(path, undo)
    } else {
      const real = fallback ?? join(systemHome, 'instances', randomBytes(4).toString('hex'))
      requireShort(real)
      if (existsSync(path)) takeEmptyAway(path, barrier, undo)
      makeFolder(real, undo)
      makeFolder(dirname(path), undo)
      symlinkSync(real, path)
      undo.push(() => removeLink(path, real))
    }
    const real = realpathSync(path)
    requireShort(real)
    requireOwn(real)
    return { path: real, takeBack }
  } catch (error) {
    takeBack()
    throw error
  }
}

function refuseDanglingLink(path: string): void {
  if (existsSync(path) || lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return
  throw new Fault(
    'configuration',
    `${path} is a link to ${readlinkSync(path)}, which is not there: remove the link, or give another --data`,
  )
}

/** Takes a link of ours away, unless another start works behind it by now. */
function removeLink(path: string, real: string): void {
  const isOurs = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(path) === real
  if (isOurs && readdirSync(real).length === 0) rmSync(path, { force: true })
}

/** Makes a folder and the parents that it lacks. Others may pass through the parents, whatever the umask says. */
function makeFolder(path: string, undo: (() => void)[]): void {
  const missing: string[] = []
  for (let at = path; !existsSync(at); at = dirname(at)) missing.unshift(at)
  for (const folder of missing) {
    const mode = folder === path ? 0o700 : 0o755
    mkdirSync(folder, { mode })
    if (isRoot()) chmodSync(folder, mode)
    undo.push(() => removeEmpty(folder))
  }
}

/** Makes room for a link where an empty folder lies. */
function takeEmptyAway(path: string, barrier: string, undo: (() => void)[]): void {
  const { mode, uid, gid } = lstatSync(path)
  if (!lstatSync(path).isDirectory() || readdirSync(path).length > 0)
    throw new Fault(
      'configuration',
      `${path} lies below ${barrier}, which the planes' users cannot enter, and is not empty: give --data a folder under /var/lib/tagout`,
    )
  rmdirSync(path)
  undo.push(() => {
    mkdirSync(path)
    chmodSync(path, mode)
    lchownSync(path, uid, gid)
  })
}

/** Removes a folder with nothing in it; another stays. */
export function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Something was put into it, or it is gone.
  }
}

function requireShort(path: string): void {
  if (Buffer.byteLength(path) + longestSocket > longestPath)
    throw new Fault(
      'configuration',
      `the path of the data folder is too long for Unix sockets (${path}): give --data a path of at most ${longestPath - longestSocket} bytes`,
    )
}

/** Root that started on somebody's data would give half of them away, and the planes could read neither half. */
function requireOwn(path: string): void {
  const owner = lstatSync(join(path, 'supervisor'), { throwIfNoEntry: false })?.uid
  const own = process.getuid?.()
  if (owner === undefined || own === undefined || owner === own) return
  throw new Fault(
    'configuration',
    owner === 0
      ? `the installation in ${path} belongs to root: start it as root, or give another --data`
      : `the installation in ${path} belongs to user ${owner}: start it as that user; to move it, backup create as that user and backup restore as the new one`,
  )
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
  // SECURITY: the recorder's own: nobody else puts a socket there for the api to find.
  folder('run/live', separate ? 0o750 : 0o700, owners.recorder)
  folder('vault', 0o700, owners.vault)
  folder('recorder', 0o700, owners.recorder)
  folder('rotation', 0o700, owners.rotation)
  folder('api', 0o700, owners.api)
  folder('backups', 0o700, undefined)
  // SECURITY: a data folder within a clone is offered to no commit.
  const ignore = join(dataDir, '.gitignore')
  if (!existsSync(ignore)) writeFor(undefined, ignore, '*\n', 0o644)
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
