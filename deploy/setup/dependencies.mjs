// Plain JavaScript for any Node from 18 on: this runs before anything is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const stampPath = (root) => join(root, 'node_modules', '.tagout', 'installed')
const lockHash = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')

/**
 * Says why the packages in node_modules are not those of package-lock.json, or undefined where they are.
 *
 * npm writes `node_modules/.package-lock.json` last, so it is missing after an installation that was cut short.
 */
export function whatIsMissing(root) {
  const installedLock = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock)) return 'packages are not installed'
  const wanted = packagesOf(join(root, 'package-lock.json'))
  const installed = packagesOf(installedLock)
  if (wanted === undefined) return undefined
  if (installed === undefined) return 'the list of installed packages cannot be read'
  const stamped = existsSync(stampPath(root)) && readFileSync(stampPath(root), 'utf8') === lockHash(root)
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link === true) continue
    const found = installed[path]
    const present = found !== undefined && existsSync(join(root, path, 'package.json'))
    if (!present) {
      // npm leaves out what is optional and not for this machine, with all that only it needs; it has had its
      // chance at the rest when the stamp says so.
      if (entry.optional === true && (stamped || !isForHere(entry))) continue
      return `${path} is not installed`
    }
    if (found.version !== entry.version || (entry.integrity ?? found.integrity) !== found.integrity)
      return `${path} is not the version that package-lock.json names`
  }
  return undefined
}

/** Runs `npm ci --ignore-scripts`. Answers a sentence when it fails. */
export function installDependencies(root) {
  const [program, ...before] = npmCommand()
  const args = [
    ...before,
    'ci',
    '--ignore-scripts',
    '--loglevel=error',
    '--no-audit',
    '--no-fund',
    '--include=dev',
    '--include=optional',
  ]
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0)
    return `npm ci failed (${error?.message ?? `exit code ${status}`}); see its message above, then run this again`
  mkdirSync(dirname(stampPath(root)), { recursive: true })
  writeFileSync(stampPath(root), lockHash(root))
  const after = whatIsMissing(root)
  return after === undefined ? undefined : `npm ci ended well, but ${after}`
}

/** npm as it runs now, else as it is found on the path. */
export function npmCommand() {
  const running = process.env.npm_execpath
  if (running !== undefined && basename(running) === 'npm-cli.js') return [process.execPath, running]
  return ['npm']
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages
  } catch {
    return undefined
  }
}

function isForHere(entry) {
  if (entry.os === undefined && entry.cpu === undefined) return false
  return (
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch) &&
    (entry.libc === undefined || allows(entry.libc, libc()))
  )
}

function libc() {
  return process.report?.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc'
}

function allows(given, value) {
  const list = [given ?? value].flat()
  return list.includes(value) || (list[0].startsWith('!') && !list.includes(`!${value}`))
}
