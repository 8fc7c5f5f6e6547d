import { execFileSync } from 'node:child_process'
import { chownSync, cpSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

export type SystemUser = {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** Makes an ordinary user with a home of its own. Dispose of it when nothing of theirs runs any more. */
export function makeSystemUser(name: string): SystemUser & Disposable {
  const home = join('/home', name)
  execFileSync('useradd', ['-m', '-d', home, '-s', '/bin/bash', name], { stdio: 'pipe' })
  const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }))
  return {
    name,
    uid: id('-u'),
    gid: id('-g'),
    home,
    [Symbol.dispose]: () => {
      execFileSync('userdel', ['-f', '-r', name], { stdio: 'pipe' })
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/**
 * Makes a clone of this repository as it lies here, with its packages, as if somebody had cloned and installed it.
 * Packages are linked file by file where they lie on the same disk.
 */
export function makeClone(folder: string, owner?: SystemUser): void {
  mkdirSync(folder, { recursive: true })
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  })
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(root, file)))
  for (const file of files) cpSync(join(root, file), join(folder, file))
  const built = join(root, 'web', 'dist')
  if (existsSync(built)) cpSync(built, join(folder, 'web', 'dist'), { recursive: true })
  const packages = join(root, 'node_modules')
  const link = statSync(packages).dev === statSync(folder).dev ? ['-l'] : []
  execFileSync('cp', ['-a', ...link, packages, join(folder, 'node_modules')])
  if (owner === undefined) return
  // Files of packages may be links to those here: their folders change hands, they do not.
  execFileSync('find', [folder, '-type', 'd', '-exec', 'chown', `${owner.uid}:${owner.gid}`, '{}', '+'])
  for (const file of files) chownSync(join(folder, file), owner.uid, owner.gid)
  if (existsSync(join(folder, 'web', 'dist')))
    execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, join(folder, 'web', 'dist')])
}
