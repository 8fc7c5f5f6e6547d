import type { Client, ClientChannel } from 'ssh2'
import { type Credential, type Place, saw, type Seen } from '../connector.ts'
import type { ChangeResult } from '../phases.ts'
import { type NoLogin, sshLogin } from './ssh-login.ts'

/** Bytes of what a machine says that are kept: a hostile one says more. */
const mostSaid = 64 * 1024

/** A login that was made, or why there is none. */
export type Opened = ({ readonly kind: 'open' } & AsyncDisposable & { readonly shell: Shell }) | NoLogin

/** What is known of a change whose login was not made: nothing of the candidate had left. */
export function notOpened(failed: Opened & { readonly kind: 'failed' }): Seen<ChangeResult> {
  const { why, rejected, sent } = failed
  return saw({ kind: 'untouched', why, ...(rejected ? { rejected: true as const } : {}) }, sent)
}

/** What can be done on a machine that was logged in to. */
export type Shell = {
  /** Runs a command, writes `input` to it, and answers how it ended; undefined where it did not say. */
  readonly run: (command: string, input?: Uint8Array) => Promise<Ran>
  /** Starts a command on a terminal of its own, whose prompts are answered. */
  readonly talk: (command: string) => Promise<Talk>
}

export type Ran = { readonly code: number | undefined; readonly said: string }

export type Talk = {
  /** Waits for the first of these in what is said since the last answer; undefined where it ended, or time is up. */
  readonly expect: (patterns: readonly RegExp[]) => Promise<number | undefined>
  readonly answer: (bytes: Uint8Array) => void
  /** How it ended; undefined where it was cut off. */
  readonly end: () => Promise<number | undefined>
}

/** Logs in to a Unix machine over SSH. */
export async function openShell(at: Place, credential: Credential): Promise<Opened> {
  const login = await sshLogin(at, credential)
  if (login.kind === 'failed') return login
  const { client } = login
  return {
    kind: 'open',
    shell: {
      run: (command, input) => run(client, at, command, input),
      talk: (command) => talk(client, at, command),
    },
    [Symbol.asyncDispose]: () => login[Symbol.asyncDispose](),
  }
}

async function channelOf(
  client: Client,
  at: Place,
  command: string,
  pty: boolean,
): Promise<ClientChannel | undefined> {
  const { promise, resolve } = Promise.withResolvers<ClientChannel | undefined>()
  const gone = () => resolve(undefined)
  client.once('close', gone)
  at.signal.addEventListener('abort', gone, { once: true })
  try {
    client.exec(command, pty ? { pty: { term: 'dumb', cols: 200 } } : {}, (error, channel) =>
      resolve(error === undefined || error === null ? channel : undefined),
    )
    return await promise
  } catch {
    return undefined
  } finally {
    client.off('close', gone)
    at.signal.removeEventListener('abort', gone)
  }
}

async function run(client: Client, at: Place, command: string, input?: Uint8Array): Promise<Ran> {
  const channel = await channelOf(client, at, command, false)
  if (channel === undefined) return { code: undefined, said: '' }
  const heard = listen(client, channel, at)
  // The library keeps what it is given until it is sent: it gets a copy, which is wiped when all is over.
  const copy = input === undefined ? undefined : Buffer.from(input)
  try {
    channel.end(copy ?? Buffer.alloc(0))
    const code = await heard.ended
    return { code, said: heard.said() }
  } finally {
    copy?.fill(0)
  }
}

async function talk(client: Client, at: Place, command: string): Promise<Talk> {
  const channel = await channelOf(client, at, command, true)
  if (channel === undefined)
    return { expect: async () => undefined, answer: () => undefined, end: async () => undefined }
  const heard = listen(client, channel, at)
  let from = 0
  return {
    expect: async (patterns) => {
      for (;;) {
        const said = heard.said().slice(from)
        const found = patterns.findIndex((pattern) => pattern.test(said))
        if (found !== -1) return found
        if (!(await heard.more())) return undefined
      }
    },
    answer: (bytes) => {
      from = heard.said().length
      const line = Buffer.concat([bytes, Buffer.from('\n')])
      channel.write(line, () => line.fill(0))
    },
    end: async () => {
      channel.end()
      return heard.ended
    },
  }
}

type Heard = {
  readonly said: () => string
  /** Resolves with more of what is said; with false when there is no more to come. */
  readonly more: () => Promise<boolean>
  readonly ended: Promise<number | undefined>
}

function listen(client: Client, channel: ClientChannel, at: Place): Heard {
  let said = ''
  let isOver = false
  let code: number | undefined
  const { promise: ended, resolve } = Promise.withResolvers<number | undefined>()
  let wake: () => void = () => undefined
  const hear = (piece: Buffer) => {
    said = (said + piece.toString('utf8')).slice(-mostSaid)
    wake()
  }
  const over = () => {
    if (isOver) return
    isOver = true
    client.off('close', over)
    at.signal.removeEventListener('abort', over)
    resolve(code)
    wake()
  }
  channel.on('data', hear)
  channel.stderr.on('data', hear)
  channel.on('exit', (given: number | null) => {
    code = given ?? undefined
  })
  channel.on('error', over)
  channel.once('close', over)
  client.once('close', over)
  at.signal.addEventListener('abort', over, { once: true })
  if (at.signal.aborted) over()
  return {
    said: () => said,
    ended,
    more: async () => {
      if (isOver) return false
      const { promise, resolve: heard } = Promise.withResolvers<void>()
      wake = heard
      await promise
      return true
    },
  }
}
