import type { Command } from 'commander'
import { z } from 'zod'
import { type ClientMessage, liveProtocol, type ServerMessage } from '../../recorder/live/protocol.ts'
import { Complaint, exit, misuse } from './complaint.ts'
import type { ConsoleClient } from './console-client.ts'
import { asPerson } from './console-login.ts'
import { parseGivenId } from './grant.ts'
import { type Io, jsonText } from './io.ts'
import { readAnswers, readThreeAnswers } from './person-answers.ts'
import { examples, type Tools } from './tools.ts'
import { pinnedIntakeKey } from './vault-pin.ts'
import { WatchScreen } from './watch-screen.ts'

const ticketAnswer = z.looseObject({ ticket: z.string(), worker: z.string() })

type WatchOptions = { readonly user: string; readonly answersStdin?: boolean }
type Ended = { readonly message: string }

/** What a watcher does who takes the session over. */
type Hands = {
  readonly take: (watch: string) => Promise<unknown>
  readonly giveBack: () => Promise<unknown>
}

/** Where a watch is shown: told of each message and each piece of output, until it ends. */
type Face = Disposable & {
  readonly told: (message: ServerMessage) => void
  readonly output: (bytes: Uint8Array, drawn: () => void) => void
  /** Keeps the terminal in front that is there now, and says which; or lets the one be in front that printed last. */
  readonly pin?: (on: boolean) => number | undefined
}

/** Milliseconds between two pictures. */
const paintEvery = 50

/** `tagout session watch`: a live session from its present screen on, to a person who may watch it. */
export function addWatchCommand(session: Command, tools: Tools): void {
  session
    .command('watch <session>')
    .description('watch a live session from its present screen on; q or Ctrl-C leaves')
    .requiredOption('--user <name>', 'you: the machine’s administrator watches nobody')
    .option('--answers-stdin', 'read two lines: your password and your present code')
    .addHelpText(
      'after',
      examples('tagout session watch ses_… --user alice', 'tagout session watch ses_… --user alice --json'),
    )
    .action(async (text: string, options: WatchOptions) => {
      const id = parseGivenId('ses', text, 'tagout session list --live')
      if (!tools.json() && tools.io.window?.() === undefined)
        throw misuse('a session is watched in a terminal', 'give --json for frames, one JSON object a line')
      const intakeKey = await tools.withVault((vault) => pinnedIntakeKey(tools, vault))
      const answers = await readAnswers(tools.io, options)
      using password = answers.password
      const person = { name: options.user, password, code: answers.code, intakeKey }
      const ended = await asPerson(tools, person, async (client) => {
        const { ticket, worker } = ticketAnswer.parse(
          await client.ask('POST', `/api/sessions/${id}/watch`, {}),
        )
        using face = tools.json() ? framesFace(tools.io) : screenFace(tools.io, id)
        return await follow(client, worker, ticket, face, tools.io)
      })
      tools.note(ended.message)
    })
}

/** `tagout session take`: a watch whose keys go into the session, for a supervisor. */
export function addTakeCommand(session: Command, tools: Tools): void {
  session
    .command('take <session>')
    .description('take a live session over: you type in its user’s place, in your name')
    .requiredOption('--user <name>', 'you, a supervisor of the safe')
    .option('--reason <text>', 'why, for its user and the audit log')
    .option('--answers-stdin', 'read three lines: your password, your present code, and the one after it')
    .addHelpText(
      'after',
      [
        '',
        'Ctrl+] then g gives it back, Ctrl+] then q leaves (it stays frozen), Ctrl+] twice types Ctrl+].',
        examples('tagout session take ses_… --user sue --reason "wrong valve"'),
      ].join('\n'),
    )
    .action(async (text: string, options: WatchOptions & { readonly reason?: string }) => {
      const id = parseGivenId('ses', text, 'tagout session list --live')
      if (tools.io.window?.() === undefined) throw misuse('a session is taken over in a terminal')
      const intakeKey = await tools.withVault((vault) => pinnedIntakeKey(tools, vault))
      const answers = await readThreeAnswers(tools.io, options)
      using password = answers.password
      const person = { name: options.user, password, code: answers.code, intakeKey }
      const totpCode = await answers.nextCode()
      const ended = await asPerson(tools, person, async (client) => {
        const { ticket, worker } = ticketAnswer.parse(
          await client.ask('POST', `/api/sessions/${id}/watch`, {}),
        )
        using face = screenFace(tools.io, id, true)
        return await follow(client, worker, ticket, face, tools.io, {
          take: (watch) =>
            client.ask('POST', `/api/sessions/${id}/take`, {
              watch,
              totpCode,
              ...(options.reason === undefined ? {} : { reason: options.reason }),
            }),
          giveBack: () => client.ask('POST', `/api/sessions/${id}/give-back`, {}),
        })
      })
      tools.note(ended.message)
    })
}

/** Brings the ticket to the worker and shows what it sends, until the watch ends or the watcher leaves. */
async function follow(
  client: ConsoleClient,
  worker: string,
  ticket: string,
  face: Face,
  io: Io,
  hands?: Hands,
): Promise<Ended> {
  let isTyping = false
  const socket = client.socket(`/live/${encodeURIComponent(worker)}`, liveProtocol)
  const say = (message: ClientMessage) => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message))
  }
  const leave = () => {
    say({ kind: 'leave' })
    // A gateway that does not answer keeps nobody.
    setTimeout(() => socket.terminate(), 2_000).unref()
  }
  let fail: (error: unknown) => void = () => undefined
  const keys = (typed: Buffer) => {
    if (isTyping && socket.readyState === socket.OPEN) socket.send(typed, { binary: true })
  }
  const giveBack = () => void hands?.giveBack().then(leave, (error: unknown) => fail(error))
  using _ = hands === undefined ? whenLeaving(io, leave) : whenTyping(io, { keys, leave, giveBack })
  return await new Promise<Ended>((resolve, reject) => {
    fail = reject
    let isShown = false
    socket.on('open', () => say({ kind: 'ticket', ticket, columns: 80, rows: 24 }))
    socket.on('error', (error) => {
      if (!isShown)
        reject(new Complaint(`the gateway cannot be reached (${error.message})`, 'tagout doctor', exit.away))
    })
    socket.on('close', () =>
      isShown
        ? reject(
            new Complaint(
              'the connection to the gateway was lost',
              'the session may go on: watch it again',
              exit.away,
            ),
          )
        : reject(new Complaint('the gateway closed the connection', 'tagout doctor', exit.away)),
    )
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) return face.output(data, () => say({ kind: 'taken', bytes: data.length }))
      const message = JSON.parse(data.toString('utf8')) as ServerMessage
      if (message.kind === 'refused') return reject(new Complaint(message.message, message.next))
      if (message.kind === 'watching' && message.desktop === true)
        return reject(
          new Complaint(
            'this session is a desktop, which no terminal shows',
            `${hands === undefined ? 'watch it' : 'watch it and take it over'} in the console, under Sessions`,
          ),
        )
      if (message.kind === 'watching') {
        isShown = true
        hands?.take(message.watch).catch(reject)
      }
      if (message.kind === 'typing') {
        isTyping = false
        const channel = face.pin?.(message.may)
        if (message.may && channel !== undefined) {
          say({ kind: 'into', channel })
          isTyping = true
        }
      }
      face.told(message)
      if (message.kind === 'unwatched') resolve({ message: message.message })
    })
  }).finally(() => socket.close())
}

/** Calls `leave` at q, Ctrl-C or Ctrl-D in a terminal, and at a signal. No other key does anything. */
function whenLeaving(io: Io, leave: () => void): Disposable {
  const { stdin } = io
  const onData = (chunk: Buffer) => {
    // A key alone: what a terminal says by itself, or what is pasted, is longer.
    if (chunk.length === 1 && [0x71, 3, 4].includes(chunk[0] ?? 0)) leave()
  }
  const isTerminal = stdin.isTTY === true
  if (isTerminal) {
    stdin.setRawMode?.(true)
    stdin.on('data', onData)
    stdin.resume()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave)
  return {
    [Symbol.dispose]: () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, leave)
      if (!isTerminal) return
      stdin.off('data', onData)
      stdin.setRawMode?.(false)
      stdin.pause()
    },
  }
}

/** Passes keys on, but for Ctrl+] and the key after it. */
function whenTyping(
  io: Io,
  to: {
    readonly keys: (typed: Buffer) => void
    readonly leave: () => void
    readonly giveBack: () => void
  },
): Disposable {
  const { stdin } = io
  const escape = 0x1d
  let isEscaped = false
  const onData = (chunk: Buffer) => {
    const typed: number[] = []
    for (const byte of chunk) {
      if (!isEscaped) {
        if (byte === escape) isEscaped = true
        else typed.push(byte)
        continue
      }
      isEscaped = false
      if (byte === 0x67) to.giveBack()
      else if (byte === 0x71) to.leave()
      else if (byte === escape) typed.push(byte)
    }
    if (typed.length > 0) to.keys(Buffer.from(typed))
  }
  stdin.setRawMode?.(true)
  stdin.on('data', onData)
  stdin.resume()
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, to.leave)
  return {
    [Symbol.dispose]: () => {
      for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, to.leave)
      stdin.off('data', onData)
      stdin.setRawMode?.(false)
      stdin.pause()
    },
  }
}

/** One JSON object a line; bytes of a terminal in base64. */
function framesFace(io: Io): Face {
  const line = (value: object) => io.out(`${jsonText(value)}\n`)
  return {
    told: line,
    output: (bytes, drawn) => {
      line({ kind: 'output', bytes: Buffer.from(bytes).toString('base64') })
      drawn()
    },
    [Symbol.dispose]: () => undefined,
  }
}

/** The session's screen in the watcher's own terminal, with a line below that says what happens. */
function screenFace(io: Io, session: string, takes = false): Face {
  const keysHelp = takes ? 'Ctrl+] g gives back, Ctrl+] q leaves' : 'q leaves'
  let status = `${session}: connecting; ${keysHelp}`
  let whose = session
  let timer: NodeJS.Timeout | undefined
  let size = ''
  const screen = new WatchScreen(() => {
    timer ??= setTimeout(paint, paintEvery)
  })
  const paint = () => {
    timer = undefined
    const window = io.window?.()
    if (window === undefined) return
    const now = `${window.columns} ${window.rows}`
    if (now !== size) {
      size = now
      screen.forget()
      io.out('\x1b[0m\x1b[2J')
    }
    io.out(screen.paint(window, status))
  }
  const onWindow = () => {
    timer ??= setTimeout(paint, paintEvery)
  }
  process.on('SIGWINCH', onWindow)
  io.out('\x1b[?1049h')
  paint()
  return {
    told: (message) => {
      switch (message.kind) {
        case 'watching':
          whose = `${message.user} on ${message.account}`
          status = `watching ${whose}${message.notice ? ', who is told' : ''}; ${keysHelp}`
          break
        case 'typing':
          status = message.may
            ? `YOU TYPE in ${whose}; ${keysHelp}`
            : `you type no more in ${whose}; ${keysHelp}`
          break
        case 'mark':
          status = `${whose}: ${message.text}`
          break
        case 'screen':
        case 'channel':
        case 'resize':
        case 'closed':
          screen.told(message)
      }
      timer ??= setTimeout(paint, paintEvery)
    },
    output: screen.output.bind(screen),
    pin: (on) => {
      if (on) return screen.pin()
      screen.unpin()
      return undefined
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      process.off('SIGWINCH', onWindow)
      screen[Symbol.dispose]()
      io.out('\x1b[0m\x1b[?25h\x1b[?1049l')
    },
  }
}
