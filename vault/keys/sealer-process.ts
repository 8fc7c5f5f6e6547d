import { spawn } from 'node:child_process'
import { z } from 'zod'
import { Fault } from '../kernel/fault.ts'

/** A program outside of the vault that wraps 32 bytes and opens them again: see docs/seal-plugins.md. */
export type SealerProgram = {
  readonly command: readonly string[]
  /** All of its environment besides PATH. */
  readonly env: Readonly<Record<string, string>>
  readonly secondsToAnswer: number
}

const whys = [
  'wrong-pin',
  'pin-locked',
  'pin-at-risk',
  'no-token',
  'other-token',
  'no-key',
  'other-key',
  'key-exists',
  'no-mechanism',
  'denied',
  'unavailable',
  'unusable',
] as const
/** Why such a program refuses. */
export type SealerWhy = (typeof whys)[number]

const answer = z.union([
  z.looseObject({ ok: z.literal(true) }),
  z.looseObject({
    ok: z.literal(false),
    why: z.enum(whys).catch('unusable'),
    message: z.string().max(2_000).optional(),
  }),
])
export type SealerAnswer = z.output<typeof answer>

/** How it went: an answer in the protocol, or in which way there was none. */
export type SealerEnd =
  | { readonly kind: 'answer'; readonly answer: SealerAnswer }
  | { readonly kind: 'no start'; readonly code: string }
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'silent'; readonly seconds: number }
  | { readonly kind: 'too much' }
  | { readonly kind: 'unreadable' }

/** The longest line that is an answer. */
const longestAnswer = 16 * 1024

/**
 * Starts the program, gives it one line and takes one line from it; then it is ended, with all that it started.
 *
 * SECURITY: what it does can cost this call and nothing else: it runs in a process of its own, without the vault's
 * environment, for a limited time, and what it writes besides one short line is neither kept nor logged.
 */
export async function askSealer(program: SealerProgram, request: Uint8Array): Promise<SealerEnd> {
  const [file, ...args] = program.command
  if (file === undefined) throw new Fault('configuration', 'a seal program has no command')
  const child = spawn(file, args, {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', ...program.env },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  })
  const chunks: Buffer[] = []
  let bytes = 0
  const { promise, resolve } = Promise.withResolvers<SealerEnd>()
  const timer = setTimeout(
    () => resolve({ kind: 'silent', seconds: program.secondsToAnswer }),
    program.secondsToAnswer * 1_000,
  )
  child.once('error', (error) =>
    resolve({ kind: 'no start', code: 'code' in error ? String(error.code) : 'unknown' }),
  )
  child.once('close', (code, signal) =>
    resolve({ kind: 'ended', how: signal === null ? `exit code ${code}` : signal }),
  )
  // One that ends without reading breaks the pipe; how it ended says more.
  child.stdin.on('error', () => {})
  child.stdin.end(Buffer.concat([request, Buffer.from('\n')]))
  child.stdout.on('error', () => {})
  child.stdout.on('data', (chunk: Buffer) => {
    const end = chunk.indexOf(0x0a)
    const part = end === -1 ? chunk : chunk.subarray(0, end)
    bytes += part.length
    if (bytes > longestAnswer) return resolve({ kind: 'too much' })
    chunks.push(part)
    if (end !== -1) resolve(parse(Buffer.concat(chunks)))
  })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    child.stdout.removeAllListeners('data')
    child.stdout.destroy()
    child.stdin.destroy()
    for (const chunk of chunks) chunk.fill(0)
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended already, and all that it started.
    }
  }
}

function parse(line: Buffer): SealerEnd {
  try {
    return { kind: 'answer', answer: answer.parse(JSON.parse(line.toString('utf8'))) }
  } catch {
    return { kind: 'unreadable' }
  } finally {
    line.fill(0)
  }
}
