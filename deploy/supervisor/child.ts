import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { z } from 'zod'
import { Fault } from '../../vault/kernel/fault.ts'
import type { RunAs } from './system-user.ts'

/** What a plane says once it serves. More members are allowed: they go into `ready.json`. */
const readyMessage = z.looseObject({ kind: z.literal('ready') })
/** What a plane may say before it ends because it cannot start. */
const failedMessage = z.looseObject({ kind: z.literal('failed'), message: z.string().max(2_000) })

export type Ready = z.infer<typeof readyMessage>

export type ChildOptions = {
  readonly name: string
  /** The plane's entry file. */
  readonly file: string
  /** The Node that runs it. */
  readonly node: string
  readonly env: Readonly<Record<string, string>>
  readonly runAs: RunAs | undefined
  readonly withinMs?: number
  /** Gives up waiting for readiness. */
  readonly signal?: AbortSignal
}

/** One life of a plane's process: from its start until it ends. */
export type Child = {
  readonly process: ChildProcess
  readonly ready: Ready
  /** Settles when it has ended, with how. */
  readonly ended: Promise<string>
  /** Asks it to end, and ends it after `withinMs`. */
  readonly stop: (withinMs: number) => Promise<void>
}

/** Starts a plane and waits until it is ready. Throws `Fault` when it ends or says nothing before that. */
export async function startChild(options: ChildOptions): Promise<Child> {
  // SECURITY: no core dumps, no inspector by signal, and of the surrounding environment nothing but what is listed.
  const child = spawn(
    '/bin/sh',
    [
      ...['-c', 'ulimit -c 0; exec "$@"', 'sh', options.node],
      ...['--disable-sigusr1', '--disable-warning=ExperimentalWarning', options.file],
    ],
    { cwd: '/', env: options.env, stdio: ['ignore', 2, 2, 'ipc'], detached: true, ...options.runAs },
  )
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal))
    child.once('error', (error) => resolve(error.message))
  })
  const stop = async (withinMs: number) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs)
    await ended
    clearTimeout(timer)
  }
  const ready = await untilReady(child, ended, options).catch(async (error: unknown) => {
    await stop(2_000)
    throw error
  })
  return { process: child, ready, ended, stop }
}

async function untilReady(
  child: ChildProcess,
  ended: Promise<string>,
  options: ChildOptions,
): Promise<Ready> {
  using stack = new DisposableStack()
  const abort = new AbortController()
  stack.defer(() => abort.abort())
  const withinMs = options.withinMs ?? 60_000
  const timer = setTimeout(
    () => abort.abort(new Fault('timeout', `the ${options.name} was not ready within ${withinMs / 1000} s`)),
    withinMs,
  )
  stack.defer(() => clearTimeout(timer))
  const giveUp = () => abort.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', giveUp, { once: true })
  stack.defer(() => options.signal?.removeEventListener('abort', giveUp))

  const heard = async (): Promise<Ready> => {
    for (;;) {
      const [message] = (await once(child, 'message', { signal: abort.signal })) as [unknown]
      const ready = readyMessage.safeParse(message)
      if (ready.success) return ready.data
      const failed = failedMessage.safeParse(message)
      if (failed.success)
        throw new Fault('configuration', `the ${options.name} cannot start: ${failed.data.message}`)
    }
  }
  return await Promise.race([
    heard().catch((error: unknown) => {
      throw abort.signal.reason instanceof Fault ? abort.signal.reason : error
    }),
    ended.then((how): never => {
      throw new Fault(
        'closed',
        `the ${options.name} ended before it was ready (${how}); its own words are above`,
      )
    }),
  ])
}
