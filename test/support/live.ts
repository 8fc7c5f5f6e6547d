import { once } from 'node:events'
import { WebSocket } from 'ws'
import { liveProtocol, type ServerMessage } from '../../recorder/live/protocol.ts'
import { newId } from '../../vault/kernel/id.ts'
import type { Gateway } from './gateway.ts'
import { until } from './installation.ts'

/** A browser's end of a live socket, without a browser: what it hears is kept, what it sends is the test's business. */
export type LiveEnd = {
  readonly socket: WebSocket
  readonly messages: ServerMessage[]
  /** Everything that the terminal was given, as text. */
  readonly text: () => string
  readonly bytes: () => number
  readonly say: (message: object) => void
  readonly type: (typed: string | Uint8Array) => void
  /** Waits for a message of this kind. */
  readonly hear: <Kind extends ServerMessage['kind']>(
    kind: Kind,
  ) => Promise<Extract<ServerMessage, { kind: Kind }>>
  readonly see: (text: string | RegExp) => Promise<void>
  /** The code with which it was closed. */
  readonly closed: Promise<number>
  /** Stops saying that output was drawn. */
  draws: boolean
  /** Is a frame one that is never said to be drawn? Of the files beside a desktop. */
  isBeside: (data: Buffer) => boolean
}

export type LiveOptions = {
  readonly login?: string
  readonly protocol?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Opens a live socket at a gateway's worker, as the api does for a browser. */
export async function openLive(path: string, options: LiveOptions = {}): Promise<LiveEnd> {
  const headers = {
    'x-tagout-login': options.login ?? newId('lgn'),
    'x-tagout-source': '192.0.2.7',
    ...options.headers,
  }
  const socket = new WebSocket(`ws+unix://${path}:/live`, options.protocol ?? liveProtocol, { headers })
  return followLive(socket)
}

/** Keeps what comes over a socket, once it is open. */
export async function followLive(socket: WebSocket): Promise<LiveEnd> {
  const messages: ServerMessage[] = []
  let text = ''
  let bytes = 0
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  const end: LiveEnd = {
    socket,
    messages,
    text: () => text,
    bytes: () => bytes,
    say: (message) => socket.send(JSON.stringify(message)),
    type: (typed) => socket.send(Buffer.from(typed), { binary: true }),
    hear: (kind) =>
      until(
        () => messages.find((one) => one.kind === kind) as never,
        20_000,
        () => false,
        () => `no ${kind} came, but ${JSON.stringify(messages)}`,
      ),
    see: async (wanted) => {
      await until(
        () => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) || undefined,
        20_000,
        () => false,
        () => `the terminal shows no ${String(wanted)}, but ${JSON.stringify(text.slice(-2_000))}`,
      )
    },
    closed,
    draws: true,
    isBeside: () => false,
  }
  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary) return void messages.push(JSON.parse(data.toString()) as ServerMessage)
    bytes += data.length
    if (bytes < 5_000_000) text += data.toString('utf8')
    if (end.draws && !end.isBeside(data)) end.say({ kind: 'taken', bytes: data.length })
  })
  socket.on('error', () => undefined)
  await Promise.race([once(socket, 'open'), closed])
  return end
}

let tickets = 0

/** A ticket that the fake vault of a gateway takes once. */
export function giveTicket(
  gateway: Pick<Gateway, 'vault'>,
  target: string,
  account: string,
  login: string = newId('lgn'),
): { readonly ticket: string; readonly login: string } {
  tickets += 1
  const ticket = `tkt_live-${tickets}`
  gateway.vault.liveTickets.set(ticket, { login, user: 'bob', target, account })
  return { ticket, login }
}

/** A terminal in the browser of bob, at a gateway's target. */
export async function openTerminal(
  gateway: Gateway,
  target: string,
  account: string,
  size: { readonly columns: number; readonly rows: number } = { columns: 100, rows: 30 },
): Promise<LiveEnd> {
  const { ticket, login } = giveTicket(gateway, target, account)
  const live = await openLive(gateway.liveSocket, { login })
  live.say({ kind: 'ticket', ticket, ...size })
  return live
}
