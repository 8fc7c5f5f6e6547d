import { cpSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Where root keeps what other system users must reach. */
export const systemHome = '/var/lib/tagout'

/** The first folder on the way to `path` (itself included) that users other than its owner cannot enter. */
export function barrierOnTheWayTo(path: string): string | undefined {
  const folders: string[] = []
  // What does not exist yet is judged by the nearest ancestor that does.
  let at = path
  while (!existsSync(at)) at = dirname(at)
  for (at = realpathSync(at); ; at = dirname(at)) {
    folders.unshift(at)
    if (at === dirname(at)) break
  }
  return folders.find((folder) => {
    const stat = statSync(folder)
    return stat.isDirectory() && (stat.mode & 0o001) === 0
  })
}

/**
 * Copies the folder `from` to `to` unless that is there, atomically: a copy that was cut short is never taken for
 * a whole one. Files and folders become readable by all.
 */
export function copyOnce(from: string, to: string): void {
  if (existsSync(to)) return
  mkdirSync(dirname(to), { recursive: true, mode: 0o755 })
  const half = `${to}.${process.pid}.part`
  rmSync(half, { recursive: true, force: true })
  cpSync(from, half, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  try {
    renameSync(half, to)
  } catch (error) {
    rmSync(half, { recursive: true, force: true })
    if (!existsSync(join(to, '.'))) throw error
  }
}
