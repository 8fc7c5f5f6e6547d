import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Ran, until } from './installation.ts'

const root = join(import.meta.dirname, '..', '..')

export type CloneOptions = {
  /** Whom its files belong to. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** With the packages of this checkout, linked; otherwise set-up installs them. */
  readonly packages: boolean
}

/** Makes a clone of the working tree (what is committed or would be) in `folder`. */
export function makeClone(folder: string, options: CloneOptions): void {
  const listed = spawnSync('git', ['-C', root, 'ls-files', '-co', '--exclude-standard', '-z'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  const names =
    listed.status === 0
      ? listed.stdout.split('\0').filter((name) => name !== '' && existsSync(join(root, name)))
      : readdirSync(root).filter((name) => !['node_modules', 'data', '.git'].includes(name))
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    cpSync(join(root, name), join(folder, name), { recursive: true, verbatimSymlinks: true })
  }
  if (options.packages) must('cp', ['-al', join(root, 'node_modules'), join(folder, 'node_modules')])
  if (options.owner !== undefined) must('chown', ['-R', `${options.owner.uid}:${options.owner.gid}`, folder])
}

/** A folder of the test's own that only its owner may enter, as /root is. */
export function closedFolder(path: string, owner?: { readonly uid: number; readonly gid: number }): string {
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o700)
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
  return path
}

export type CloneRun = {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly as?: { readonly uid: number; readonly gid: number }
  readonly stdin?: string
}

/** Runs a program of the system (npm, npx) in a clone to its end. */
export async function runIn(run: CloneRun, program: string, args: readonly string[]): Promise<Ran> {
  const child = spawn(program, args, { cwd: run.cwd, env: run.env, stdio: 'pipe', ...run.as })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(run.stdin ?? '')
  const [code] = await once(child, 'close')
  return { code: code ?? 1, stdout, stderr }
}

export type Started = AsyncDisposable & {
  readonly ready: {
    readonly console: string
    readonly ssh: { readonly host: string; readonly port: number }
    readonly data: string
    readonly firstAdmin: string | null
    readonly findings: readonly string[]
  }
  readonly stdout: () => string
  readonly log: () => string
}

/** `npm start` in a clone, until its line of JSON. Disposing of it is a SIGTERM to npm, as a service manager's. */
export async function npmStart(run: CloneRun, args: readonly string[], withinMs = 240_000): Promise<Started> {
  const child = spawn('npm', ['start', '--', ...args], {
    cwd: run.cwd,
    env: run.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...run.as,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text) => {
    stdout += text
  })
  child.stderr.on('data', (text) => {
    stderr += text
  })
  const ended = () => child.exitCode !== null || child.signalCode !== null
  const line = await until(
    () => stdout.split('\n').find((text) => text.startsWith('{')),
    withinMs,
    ended,
    () => `npm start said nothing:\n${stderr}\n${stdout}`,
  )
  return {
    ready: JSON.parse(line),
    stdout: () => stdout,
    log: () => stderr,
    [Symbol.asyncDispose]: async () => {
      if (ended()) return
      const closed = once(child, 'close')
      child.kill('SIGTERM')
      await closed
    },
  }
}

function must(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} failed: ${stderr}`)
}
