import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Breach } from './directions.ts'

type Entry = {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * Looks at package-lock.json: it names no host, everything that is installed here has a hash, and optional packages
 * of other platforms are named too (`npm ci` refuses the file otherwise).
 */
export function breachesOfLockFile(root: string): readonly Breach[] {
  const file = 'package-lock.json'
  const { packages } = JSON.parse(readFileSync(join(root, file), 'utf8')) as {
    packages: Record<string, Entry>
  }
  const breach = (why: string): Breach => ({ file, line: 1, why })
  return Object.entries(packages).flatMap(([path, entry]) => {
    if (path === '') return []
    const found: Breach[] = []
    if (entry.resolved !== undefined)
      found.push(breach(`${path} names where it comes from; npm config omits that`))
    if (entry.integrity === undefined && entry.optional !== true) found.push(breach(`${path} has no hash`))
    for (const name of Object.keys(entry.optionalDependencies ?? {}))
      if (!isListed(packages, path, name)) found.push(breach(`${path} may want ${name}, which is not listed`))
    return found
  })
}

/** Looks where Node would: beside the package, then outwards. */
function isListed(packages: Readonly<Record<string, Entry>>, path: string, name: string): boolean {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true
    if (at === '') return false
  }
}
