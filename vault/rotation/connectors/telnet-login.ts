import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { unverified } from '../../contract.ts'
import type { Secret } from '../../kernel/secret.ts'
import { TelnetLogin } from '../../telnet/login.ts'
import { TelnetOptions, telnetText } from '../../telnet/options.ts'
import { TelnetStream } from '../../telnet/stream.ts'
import type { Place } from '../connector.ts'
import type { NoLogin } from './ssh-login.ts'
import { type Answer, Terminal } from './terminal.ts'

export type TelnetOpened =
  | ({
      readonly kind: 'open'
      readonly terminal: Terminal
      /** Does what it said since the password mean that it was refused? */
      readonly isRefused: (answer: Answer) => boolean
    } & AsyncDisposable)
  | NoLogin

export type TelnetWords = {
  readonly user?: string | undefined
  readonly password?: string | undefined
  readonly refused: readonly string[]
}

/** Milliseconds without a word after which a line is a prompt, and after which a machine without one has let in. */
const promptRestsMs = 250
const loginRestsMs = 3_000

/** Logs in over Telnet: the name once, the password once, as sessions do. What it waits for ends with the step's time. */
export async function telnetLogin(at: Place, words: TelnetWords, secret: Secret): Promise<TelnetOpened> {
  const { target, account } = at
  const failed = (why: string, sent: boolean, rejected = false): NoLogin => ({
    ...{ kind: 'failed', why, sent, rejected },
  })
  // SECURITY: that its identity is proven by nothing is for somebody to approve.
  if (!target.pins.some(({ fingerprint }) => fingerprint === unverified))
    return failed(`nobody approved that the identity of ${target.name} is unverified`, false)
  const socket = connect({ host: target.host, port: target.port, noDelay: true })
  const leave = () => void socket.destroy()
  at.signal.addEventListener('abort', leave, { once: true })
  const close = async () => {
    at.signal.removeEventListener('abort', leave)
    const closed = socket.closed ? undefined : once(socket, 'close').catch(() => undefined)
    socket.destroy()
    await closed
  }
  try {
    await once(socket, 'connect', { signal: at.signal })
  } catch {
    await close()
    return failed(`${target.name} cannot be reached`, false)
  }
  const text = new TelnetText(socket)
  const prompts = {
    user: target.prompts?.user ?? words.user,
    password: target.prompts?.password ?? words.password,
  }
  const login = new TelnetLogin(prompts)
  text.on('data', (piece: Buffer) => void login.hear(piece))
  const terminal = new Terminal(text, at.signal)
  let sent = false
  const isRefused = ({ text: said, line }: Answer) => {
    const again = new TelnetLogin(prompts)
    again.hear(Buffer.from(line, 'latin1'))
    return words.refused.some((one) => said.includes(one)) || again.quiet(false) !== 'wait'
  }
  const until = performance.now() + at.withinMs
  while (performance.now() < until) {
    let step = await terminal.until(() => wanted(login.quiet(false)), loginRestsMs, promptRestsMs)
    if (step === 'silent') step = wanted(login.quiet(true)) ?? 'silent'
    switch (step) {
      case 'name':
        terminal.enter(telnetText(Buffer.from(`${account.login}\r\n`)))
        continue
      case 'password':
        sent = true
        secret.expose((bytes) => {
          const line = telnetText(Buffer.concat([bytes, Buffer.from('\r\n')]))
          terminal.enter(line)
          line.fill(0)
        })
        continue
      case 'in':
        return { kind: 'open', terminal, isRefused, [Symbol.asyncDispose]: close }
      case 'silent':
        continue
      case 'refused':
        await close()
        return failed(`${target.name} refused the password of ${account.login}`, sent, sent)
      case 'closed':
      case 'flood': {
        const saidNo = sent && (await terminal.until(refusalIn(words), 0)) === true
        await close()
        return saidNo
          ? failed(`${target.name} refused the password of ${account.login}`, true, true)
          : failed(`${target.name} closed the connection during the login`, sent)
      }
    }
  }
  await close()
  return failed(`${target.name} did not ask for a name and a password in a way that is known`, sent)
}

function wanted(step: ReturnType<TelnetLogin['quiet']>) {
  return step === 'wait' ? undefined : step
}

function refusalIn({ refused }: TelnetWords) {
  return ({ text }: Answer) => (refused.some((one) => text.includes(one)) ? true : undefined)
}

/** The text of a connection of Telnet, whose commands are answered. What is written is text that was made for it. */
class TelnetText extends Duplex {
  readonly #socket: Socket
  readonly #stream = new TelnetStream()
  readonly #options = new TelnetOptions()

  constructor(socket: Socket) {
    super()
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#hear(chunk))
    socket.on('error', () => this.destroy())
    socket.once('close', () => this.destroy())
  }

  #hear(chunk: Buffer): void {
    try {
      for (const { kind, bytes } of this.#stream.push(chunk))
        if (kind === 'command') {
          const answer = this.#options.answer(bytes)
          if (answer !== undefined) this.#socket.write(answer)
        } else this.push(bytes[0] === 255 ? bytes.subarray(1) : bytes)
    } catch {
      this.#socket.destroy()
    }
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy()
    done(error)
  }
}
