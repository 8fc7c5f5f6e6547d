import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePorts } from './ports.ts'
import { giveDatabase } from './postgres.ts'

const root = join(import.meta.dirname, '..', '..')

/** What a program answered. */
export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string }

export type RunOptions = {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** A whole installation, started by `deploy/main.ts` as a user would start it. */
export type TestInstallation = AsyncDisposable & {
  readonly dataDir: string
  readonly console: string
  readonly ssh: { readonly host: string; readonly port: number }
  /** The link of the first admin; null on a second start. */
  readonly firstAdmin: string | null
  readonly findings: readonly string[]
  /** The supervisor; its children are in `supervisor/processes.json`. */
  readonly process: ChildProcess
  /** All that it has said on standard error so far. */
  readonly log: () => string
  /**
   * Runs the command-line program against it, in this process: a process of its own takes a second of a core. A code
   * other than 0 is an answer, not an exception.
   */
  readonly tagout: (args: readonly string[], options?: RunOptions) => Promise<Ran>
  /** The same as a process, where that it is one is part of what is tested. */
  readonly program: (args: readonly string[], options?: RunOptions) => Promise<Ran>
  /** The same, with `--json`; throws with what it said when the code is not 0. */
  readonly tagoutJson: <T = unknown>(args: readonly string[], options?: RunOptions) => Promise<T>
  /** Stops it as Ctrl-C does; the data stay for another start. */
  readonly stop: () => Promise<void>
}

export type InstallationOptions = {
  /** An earlier installation's data; otherwise new, and removed at the end. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  readonly withinMs?: number
  /** Begin with a database that is there already (`giveDatabase`), where the first start is not what is tested. */
  readonly withDatabase?: true
}

/** Starts an installation on free ports of loopback, unattended. It takes five seconds or so. */
export async function startTestInstallation(options: InstallationOptions = {}): Promise<TestInstallation> {
  const own = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'tagout-inst-')) : undefined
  if (own !== undefined) await chmod(own, 0o711)
  const dataDir = options.dataDir ?? join(own ?? '', 'd')
  if (options.withDatabase === true) await giveDatabase(dataDir)
  const [httpPort, sshPort] = await freePorts(2)
  const child = spawn(
    process.execPath,
    [
      ...['--disable-warning=ExperimentalWarning', join(root, 'deploy', 'main.ts')],
      ...['--data', dataDir, '--http-port', String(httpPort), '--ssh-port', String(sshPort)],
      ...['--unattended', ...(options.args ?? [])],
    ],
    { cwd: root, env: { ...cleanEnvironment(), ...options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    }
  }
  const dispose = async () => {
    await stop()
    if (own !== undefined) await rm(own, { recursive: true, force: true })
  }
  try {
    const line = await until(
      () => stdout.split('\n').find((text) => text.startsWith('{')),
      options.withinMs ?? 60_000,
      () => child.exitCode !== null || child.signalCode !== null,
      () => `the installation did not start:\n${stderr}`,
    )
    const ready = JSON.parse(line)
    const tagout = async (args: readonly string[], run?: RunOptions): Promise<Ran> => {
      // Most of what the program consists of is needed by those alone who ask it.
      const cli = await import('./cli.ts')
      const { code, out, err } = await cli.tagout(args, {
        ...(run?.stdin === undefined ? {} : { stdin: run.stdin }),
        cwd: run?.cwd ?? root,
        env: { ...cleanEnvironment(), TAGOUT_DATA: dataDir, ...run?.env },
      })
      return { code, stdout: out, stderr: err }
    }
    const program = (args: readonly string[], run?: RunOptions) =>
      runProgram(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', join(root, 'deploy', 'cli', 'main.ts'), ...args],
        { ...run, env: { TAGOUT_DATA: dataDir, ...run?.env } },
      )
    return {
      dataDir,
      console: ready.console,
      ssh: ready.ssh,
      firstAdmin: ready.firstAdmin,
      findings: ready.findings,
      process: child,
      log: () => stderr,
      tagout,
      program,
      tagoutJson: async <T>(args: readonly string[], run?: RunOptions) => {
        const { code, stdout: answer, stderr: said } = await tagout([...args, '--json'], run)
        if (code !== 0) throw new Error(`tagout ${args.join(' ')} ended with ${code}: ${said}`)
        return JSON.parse(answer) as T
      },
      stop,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Runs a program to its end with a clean environment. */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ran> {
  const child = spawn(program, args, {
    cwd: options.cwd ?? root,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: 'pipe',
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  // A program that does not read its input ends all the same.
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.stdin ?? '')
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return {
    code: code ?? (signal === null ? 1 : 128),
    stdout: Buffer.concat(out).toString('utf8'),
    stderr: Buffer.concat(err).toString('utf8'),
  }
}

/** Kills the recorder's workers, which carry the sockets: a recorder that is stopped would say so. */
export async function killRecorderWorkers({ dataDir }: TestInstallation): Promise<void> {
  const files = await readFile(join(dataDir, 'supervisor', 'processes.json'), 'utf8')
  const running = JSON.parse(files) as readonly { readonly name: string; readonly pid: number }[]
  const recorder = running.find(({ name }) => name === 'recorder')
  const workers = await readFile(`/proc/${recorder?.pid}/task/${recorder?.pid}/children`, 'utf8')
  for (const pid of workers.trim().split(' ')) process.kill(Number(pid), 'SIGKILL')
}

/** Polls until `look` finds something. Throws with `complaint` at the deadline, or when `over` says it is too late. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  withinMs: number,
  over: () => boolean = () => false,
  complaint: () => string = () => `nothing came within ${withinMs} ms`,
): Promise<T> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const late = over() || Date.now() > deadline
    const found = await look()
    if (found !== undefined) return found
    if (late) throw new Error(complaint())
    await pause(20)
  }
}

function cleanEnvironment(): Record<string, string> {
  const kept = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'USER', 'NODE_COMPILE_CACHE']
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] ? [[name, process.env[name] ?? '']] : [])),
  )
}
