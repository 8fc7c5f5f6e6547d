import { type ChildProcess, spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { DirectoryId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/** Milliseconds after which a process that nobody asks anything is ended. */
const restMs = 60_000
/** Bytes of one answer. */
const longestAnswer = 16 * 1024 * 1024
/** Megabytes that such a process may hold: an answer without end ends it, and nothing else. */
const mostMegabytes = 256
/** Questions at a time to one directory. */
const mostWaiting = 200

const root = join(import.meta.dirname, '..', '..')
const program = join(import.meta.dirname, 'worker.ts')

type Waiting = (outcome: Outcome<unknown>) => void
type Worker = {
  readonly child: ChildProcess
  readonly waiting: Map<number, Waiting>
  rest: NodeJS.Timeout | undefined
}

/** What directories are asked with: a process for each. */
export type Directories = AsyncDisposable & {
  /** Asks, and answers what came back, which is not looked at here; or why nothing did. */
  readonly ask: (
    directory: DirectoryId,
    question: Readonly<Record<string, unknown>>,
    seconds: number,
  ) => Promise<Outcome<unknown>>
  /** Ends the process of a directory. */
  readonly end: (directory: DirectoryId) => void
  /** Moments at which a wrong password of somebody was passed on, or may have been (ms). */
  readonly wrong: Map<string, number[]>
}

/**
 * Speaks with directories through processes of their own.
 *
 * SECURITY: the vault parses nothing that a directory says: such a process has no keys, no environment, and may read
 * the program's own files alone. One for each directory: a hostile one learns what is said to it, and no more.
 */
export function makeDirectories(): Directories {
  const workers = new Map<DirectoryId, Worker>()
  let last = 0

  const end = (directory: DirectoryId, outcome = away) => {
    const worker = workers.get(directory)
    if (worker === undefined) return
    workers.delete(directory)
    clearTimeout(worker.rest)
    worker.child.kill('SIGKILL')
    for (const answer of worker.waiting.values()) answer(outcome)
    worker.waiting.clear()
  }

  const start = (directory: DirectoryId): Worker => {
    const child = spawn(process.execPath, argumentsOf(), {
      cwd: '/',
      env: {},
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const worker: Worker = { child, waiting: new Map(), rest: undefined }
    const isLatest = () => workers.get(directory) === worker
    const gone = () => {
      if (isLatest()) end(directory)
    }
    child.once('error', gone)
    child.once('close', gone)
    child.stdin.on('error', gone)
    child.stdout.on('error', gone)
    const chunks: Buffer[] = []
    let bytes = 0
    child.stdout.on('data', (chunk: Buffer) => {
      let from = 0
      for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
        take(worker, Buffer.concat([...chunks.splice(0), chunk.subarray(from, at)]))
        from = at + 1
        bytes = 0
      }
      chunks.push(chunk.subarray(from))
      bytes += chunk.length - from
      if (bytes > longestAnswer && isLatest()) end(directory, tooMuch)
    })
    workers.set(directory, worker)
    return worker
  }

  return {
    wrong: new Map(),
    end,
    ask: async (directory, question, seconds) => {
      const worker = workers.get(directory) ?? start(directory)
      if (worker.waiting.size >= mostWaiting)
        return refuse('rate_limited', 'the directory has too much to answer', 'try again in a moment')
      clearTimeout(worker.rest)
      last += 1
      const id = last
      const { promise, resolve } = Promise.withResolvers<Outcome<unknown>>()
      worker.waiting.set(id, resolve)
      // What does not answer in time may never: its process is ended, and the next question starts another.
      const timer = setTimeout(() => {
        if (workers.get(directory) === worker) end(directory, silent(seconds))
        else resolve(silent(seconds))
      }, seconds * 1_000)
      worker.child.stdin?.write(`${JSON.stringify({ ...question, id })}\n`)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        worker.waiting.delete(id)
        if (worker.waiting.size === 0 && workers.get(directory) === worker) {
          worker.rest = setTimeout(() => end(directory), restMs)
          worker.rest.unref()
        }
      }
    },
    async [Symbol.asyncDispose]() {
      for (const directory of [...workers.keys()]) end(directory)
    },
  }
}

const away = refuse(
  'unavailable',
  'what speaks with the directory ended without an answer',
  'try again; if it stays so, look at the directory itself',
)
const tooMuch = refuse(
  'unavailable',
  'the directory answered without end',
  'look at its base and filter: who is found must be people, not everything',
)
const silent = (seconds: number) =>
  refuse(
    'unavailable',
    `the directory did not answer within ${seconds} s`,
    'see whether it runs, and whether a firewall lets this machine through',
  )

/** A line is an answer to a question, or nothing. */
function take(worker: Worker, line: Buffer): void {
  let said: unknown
  try {
    said = JSON.parse(line.toString('utf8'))
  } catch {
    return
  }
  if (typeof said !== 'object' || said === null || !('id' in said) || typeof said.id !== 'number') return
  worker.waiting.get(said.id)?.(done(said))
}

let known: readonly string[] | undefined

/** SECURITY: by Node's own permissions, it reads what it is made of, writes nothing and starts nothing. */
function argumentsOf(): readonly string[] {
  known ??= [
    '--disable-sigusr1',
    '--disable-warning=ExperimentalWarning',
    `--max-old-space-size=${mostMegabytes}`,
    '--permission',
    ...[
      join(root, 'package.json'),
      join(root, 'vault'),
      join(root, 'node_modules'),
      realpathSync(join(root, 'node_modules')),
    ].map((path) => `--allow-fs-read=${path}`),
    program,
  ]
  return known
}
