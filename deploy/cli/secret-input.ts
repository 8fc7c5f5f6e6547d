import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Secret } from '../../vault/kernel/secret.ts'
import { misuse } from './complaint.ts'
import { type Io, visible } from './io.ts'

const maxSecretBytes = 64 * 1024

/** Standard input to its end, without the one line end that `echo` and editors leave. */
async function readStdin(io: Io, what: string): Promise<Secret> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of io.stdin) {
    const part = Buffer.from(chunk)
    bytes += part.length
    if (bytes > maxSecretBytes)
      throw misuse(`the ${what} on standard input is too long`, 'give at most 64 KiB')
    chunks.push(part)
  }
  const all = Buffer.concat(chunks)
  for (const chunk of chunks) chunk.fill(0)
  const end = all.at(-1) !== 0x0a ? all.length : all.at(-2) === 0x0d ? all.length - 2 : all.length - 1
  if (end === 0) throw misuse(`there is no ${what} on standard input`, `pipe it in: printf %s … | tagout …`)
  const secret = new Secret(Uint8Array.prototype.slice.call(all, 0, end))
  all.fill(0)
  return secret
}

/** Asks on the terminal without echo. Ctrl-C gives up. */
function prompt(io: Io, question: string): Promise<Secret> {
  // SECURITY: first in the dark, then asked: what is typed at once is not shown either.
  io.stdin.setRawMode?.(true)
  io.err(`${visible(question)}: `)
  io.stdin.resume()
  const typed: number[] = []
  return new Promise((resolvePrompt, reject) => {
    const finish = (settle: () => void) => {
      io.stdin.off('data', onData)
      io.stdin.setRawMode?.(false)
      io.stdin.pause()
      io.err('\n')
      settle()
    }
    const onData = (chunk: Buffer) => {
      for (const byte of chunk) {
        if (byte === 3 || byte === 4) return finish(() => reject(misuse('given up')))
        if (byte === 13 || byte === 10) {
          const secret = new Secret(Uint8Array.from(typed))
          typed.fill(0)
          return finish(() => resolvePrompt(secret))
        }
        if (byte !== 8 && byte !== 127) typed.push(byte)
        // Takes a whole UTF-8 character back: its continuation bytes, then its first.
        else while (((typed.pop() ?? 0) & 0xc0) === 0x80);
      }
    }
    io.stdin.on('data', onData)
  })
}

export type SecretSource = {
  /** What it is, for people: `password of press-3/engineer`. */
  readonly what: string
  readonly fromStdin: boolean
  /** The option that reads standard input, named when there is no terminal. */
  readonly option: string
  /** Ask twice: a new secret. */
  readonly confirm: boolean
}

/**
 * A secret from standard input or a prompt without echo; never from an argument, which every process may read.
 * The caller disposes of it.
 */
export async function readSecret(io: Io, source: SecretSource): Promise<Secret> {
  if (source.fromStdin) return readStdin(io, source.what)
  if (io.stdin.isTTY !== true)
    throw misuse(`no terminal to ask for the ${source.what}`, `pipe it in with ${source.option}`)
  const first = await prompt(io, source.what)
  if (source.confirm) {
    using second = await prompt(io, `${source.what}, once more`)
    const same = first.expose((a) => second.expose((b) => Buffer.compare(a, b) === 0))
    if (!same) {
      first[Symbol.dispose]()
      throw misuse('the two do not match', 'try again')
    }
  }
  if (first.expose((bytes) => bytes.length) === 0) throw misuse(`the ${source.what} is empty`)
  return first
}

/** A file that holds a secret (a private key). */
export async function readSecretFile(io: Io, path: string): Promise<Secret> {
  const full = resolve(io.cwd, path)
  const found = await stat(full)
  if (!found.isFile()) throw misuse(`${path} is not a file`)
  if (found.size > maxSecretBytes) throw misuse(`${path} is too long for a key`, 'give at most 64 KiB')
  return new Secret(new Uint8Array(await readFile(full)))
}

/** Asks a question on the terminal that `yes` answers; without a terminal, only `--yes` does. */
export async function confirmed(io: Io, yes: boolean, question: string): Promise<boolean> {
  if (yes) return true
  if (io.stdin.isTTY !== true) return false
  io.err(`${visible(question)} [y/N] `)
  io.stdin.resume()
  const answer = await new Promise<string>((resolveAnswer) => {
    io.stdin.once('data', (chunk: Buffer) => resolveAnswer(chunk.toString('utf8')))
    io.stdin.once('end', () => resolveAnswer(''))
  })
  io.stdin.pause()
  return /^\s*y(es)?\s*$/i.test(answer)
}
