import type { LoginId } from '../../vault/kernel/id.ts'
import type { Refusal } from '../../vault/kernel/outcome.ts'
import { actionOf, type ChannelRequest, terminalOf } from '../broker/ssh/channel-request.ts'
import type { Carried } from '../broker/ssh/carried.ts'
import { openSession } from '../broker/ssh/open-session.ts'
import type { BrokerPorts, Limits } from '../broker/ssh/ports.ts'
import { printable } from '../../vault/ssh/sentence.ts'
import type { BrokeredSession } from '../broker/ssh/session.ts'
import { isDesktop, type RedeemedTicket } from '../../vault/contract.ts'
import type { Watches } from './watches.ts'
import type { LiveSocket } from './live-socket.ts'
import { BrowserFront } from './browser-front.ts'
import { type ClientMessage, liveBounds, liveClose, type ServerMessage } from './protocol.ts'
import { FilesChannel } from './files-channel.ts'
import { TerminalChannel } from './terminal-channel.ts'

export type LivePorts = {
  readonly broker: BrokerPorts
  readonly limits: Limits
  readonly carried: Carried
  readonly watches: Watches
}

/** Whose socket it is, as the api found out, and where they sit. */
export type LiveCaller = { readonly login: LoginId; readonly source: string }

type ConnectTicket = Extract<RedeemedTicket, { kind: 'connect' }>
type Size = { readonly columns: number; readonly rows: number }

/**
 * Serves one live socket: takes its ticket to the vault, and becomes what that is good for.
 *
 * SECURITY: nothing is decided here. Until the vault has taken the ticket, all that is heard is one message.
 */
export function serveLiveSocket(live: LiveSocket, caller: LiveCaller, ports: LivePorts): void {
  const { log } = ports.broker
  let isTaken = false
  let size: Size = { columns: 80, rows: 24 }
  const grace = setTimeout(() => live.close(liveClose.silent, 'no ticket came'), liveBounds.firstMessage)
  live.listen({
    message: (message) => {
      // The window may change while the vault is asked.
      if (message.kind === 'resize' && isTaken) {
        size = message
        return
      }
      if (message.kind !== 'ticket' || isTaken)
        return live.close(liveClose.malformed, 'the first message is the ticket')
      isTaken = true
      size = message
      clearTimeout(grace)
      begin(live, caller, ports, message.ticket, () => size).catch((error: unknown) => {
        log('a live socket failed', { source: caller.source, error: String(error) })
        refuseLive(live, {
          code: 'unavailable',
          message: 'the gateway has a fault',
          next: 'tell its administrator',
        })
      })
    },
    input: () => live.close(liveClose.malformed, 'the first message is the ticket'),
    gone: () => clearTimeout(grace),
  })
}

async function begin(
  live: LiveSocket,
  caller: LiveCaller,
  ports: LivePorts,
  ticket: string,
  size: () => Size,
): Promise<void> {
  const redeemed = await ports.broker.ask('ticket.redeem', { ticket, ...caller })
  if (!redeemed.ok) return refuseLive(live, redeemed.refusal)
  switch (redeemed.value.kind) {
    case 'connect':
      if (isDesktop(redeemed.value.protocol)) return connectDesktop(live, caller, ports, redeemed.value)
      return connect(live, caller, ports, redeemed.value, size())
    case 'watch':
      return ports.watches.show(live, redeemed.value)
  }
}

/** What of a live connection is in the browser: a terminal or a desktop. */
type Front = {
  /** What the browser says beside its input and that it leaves; false: it is no message for this. */
  readonly heard: (message: ClientMessage) => boolean
  readonly input: (bytes: Buffer) => void
  readonly gone: () => void
}

/** Opens a session for a terminal in the browser. */
async function connect(
  live: LiveSocket,
  caller: LiveCaller,
  ports: LivePorts,
  ticket: ConnectTicket,
  size: Size,
): Promise<void> {
  const channel = new TerminalChannel(live)
  const front: Front = {
    heard: (message) => {
      if (message.kind === 'resize') channel.resize(message.columns, message.rows)
      else if (message.kind === 'elevate') channel.elevate()
      else return false
      return true
    },
    input: (bytes) => channel.type(bytes),
    gone: () => channel.gone(),
  }
  const wants = { wants: 'shell', hasElevateButton: true } as const
  const session = await openFor(live, caller, ports, ticket, front, wants)
  if (session === undefined) return
  const { permit } = session
  live.send(startedOf(session))
  const request = shellOf(size)
  if (!permit.actions.includes(actionOf(request, permit.actions))) return void session.end('protocol error')
  // Once the channel has seen its own end: whether what ran there finished decides how the session ended.
  void channel.over.then(() => setImmediate(() => void session.leave()))
  await session.open(request, channel)
}

/** Opens a session for a desktop in the browser. */
async function connectDesktop(
  live: LiveSocket,
  caller: LiveCaller,
  ports: LivePorts,
  ticket: ConnectTicket,
): Promise<void> {
  const browser = new BrowserFront(live)
  let session: BrokeredSession | undefined
  let files: FilesChannel | undefined
  const front: Front = {
    heard: (message) => {
      if (message.kind === 'type-in') browser.typeIn(message.account, message.enter)
      else if (message.kind === 'files') {
        files?.gone()
        files = message.open ? new FilesChannel(live) : undefined
        // Before the session has begun there is nothing that files could go beside.
        if (files !== undefined && session === undefined) files.gone()
        else if (files !== undefined) void session?.openFiles(files)
        // The desktop has the size that it has.
      } else return message.kind === 'resize'
      return true
    },
    input: (bytes) => {
      if (bytes[0] !== liveBounds.filesMark) return browser.hear(bytes)
      live.takeInput(bytes.length)
      files?.hear(bytes.subarray(1))
    },
    gone: () => {
      files?.gone()
      browser.gone()
    },
  }
  session = await openFor(live, caller, ports, ticket, front, { wants: 'observe' })
  if (session === undefined) return
  const { protocol, desktop } = session.permit.target
  live.send({
    ...startedOf(session),
    desktop: true,
    ...(protocol === 'rdp' ? { keyboard: desktop?.keyboard ?? 'en-us-qwerty' } : {}),
    ...(protocol === 'vnc' ? { clipboard: 'latin-1' } : {}),
  })
  await session.show(browser)
}

/** Opens a session on the way that every session goes; undefined: it was refused, or whoever wanted it has gone. */
async function openFor(
  live: LiveSocket,
  caller: LiveCaller,
  { broker, limits, carried }: LivePorts,
  ticket: ConnectTicket,
  front: Front,
  wants: Pick<Parameters<typeof openSession>[2], 'wants' | 'hasElevateButton'>,
): Promise<BrokeredSession | undefined> {
  // Whoever closed the page while the vault was asked. What is entered below is left when the socket goes: once.
  if (live.isGone) return undefined
  const isTooMany = carried.enter(ticket.user) > limits.connectionsPerUser
  let session: BrokeredSession | undefined
  live.listen({
    message: (message) => {
      if (message.kind === 'leave') void session?.end('closed by the user')
      else if (!front.heard(message)) live.close(liveClose.malformed, 'this message has no place here')
    },
    input: front.input,
    gone: () => {
      front.gone()
      void session?.leave()
      carried.leave(ticket.user)
    },
  })
  if (isTooMany) {
    refuseLive(live, {
      code: 'rate_limited',
      message: 'you have too many connections',
      next: 'close some, then try again',
    })
    return undefined
  }
  const { target, account, proof } = ticket
  const person = { proof, source: caller.source }
  const opened = await openSession(broker, limits, { person, target, account, ...wants })
  if (!opened.ok) {
    refuseLive(live, opened.refusal)
    return undefined
  }
  session = opened.value
  carried.add(session)
  void session.ended.then(() => live.close(1000))
  if (!live.isGone) return session
  // Whoever closed the page while the target was being reached.
  void session.leave()
  return undefined
}

/** What the browser is told of a session that has begun. */
function startedOf({ permit }: BrokeredSession): Extract<ServerMessage, { kind: 'started' }> {
  return {
    kind: 'started',
    session: permit.session,
    user: permit.user.name,
    target: permit.target.name,
    account: permit.account.login,
    actions: permit.actions,
    ...(permit.elevation?.isGranted === true ? { elevation: permit.elevation.kind } : {}),
    ...(permit.typeIns === undefined ? {} : { typeIns: permit.typeIns }),
    ...(permit.files === undefined ? {} : { files: { account: permit.files.name } }),
    endsAt: permit.endsAt,
    secondsLeft: Math.max(0, Math.round((Date.parse(permit.endsAt) - Date.parse(permit.startedAt)) / 1000)),
  }
}

function shellOf({ columns, rows }: Size): ChannelRequest {
  return {
    kind: 'shell',
    terminal: terminalOf(
      { cols: columns, rows, width: 0, height: 0, term: 'xterm-256color', modes: {} },
      { IUTF8: 1 },
    ),
    // The terminal in the browser speaks UTF-8; a target that takes no variables uses its own.
    env: { LANG: 'C.UTF-8' },
  }
}

function refuseLive(live: LiveSocket, refusal: Pick<Refusal, 'code' | 'message' | 'next'>): void {
  live.send({
    kind: 'refused',
    code: refusal.code,
    message: printable(refusal.message),
    ...(refusal.next === undefined ? {} : { next: printable(refusal.next) }),
  })
  live.close(1000)
}
