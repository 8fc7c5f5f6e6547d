import type { Duplex } from 'node:stream'
import type { Connection, ServerChannel, Session } from 'ssh2'
import type { Action } from '../../../vault/contract.ts'
import { done, type Outcome, refuse } from '../../../vault/kernel/outcome.ts'
import type { Person } from './authenticate.ts'
import {
  actionOf,
  type ChannelRequest,
  execRequest,
  isPassedOn,
  type Terminal,
  terminalOf,
} from './channel-request.ts'
import type { ForwardRequest } from './forwarded-channel.ts'
import { guardWindow, mendWaiting, socketOf } from '../../../vault/ssh/library.ts'
import { openSession } from './open-session.ts'
import type { BrokerPorts, Limits } from './ports.ts'
import { printable, sentenceOf } from '../../../vault/ssh/sentence.ts'
import type { BrokeredSession } from './session.ts'
import { sshChannel } from './ssh-channel.ts'
import { tell } from './tell.ts'
import { lastTerminalModes } from './terminal-modes.ts'
import { Transport } from './transport.ts'

/** Where a connection goes: known when its user name says so, or from the outer connection of `ssh -J`. */
export type Place = { readonly target: string; readonly account?: string }

const mostVariables = 32
const longestVariable = 1024
const longestCommand = 128 * 1024
/** Destinations that one connection forwards to. */
const mostDestinations = 16

/**
 * A user's authenticated SSH connection to one target (or to none yet named). Its session is opened at the first
 * request of a channel, and carries all of its channels.
 */
export class FrontConnection {
  readonly #ports: BrokerPorts
  readonly #limits: Limits
  readonly #connection: Connection
  readonly #person: Person
  readonly #place: Place | undefined
  readonly #transport: Transport
  readonly #standing: {
    readonly isOverLimit: boolean
    readonly onSession: (session: BrokeredSession) => void
  }
  #opening: Promise<Outcome<BrokeredSession>> | undefined
  #session: BrokeredSession | undefined
  /** A session of its own for each destination that was forwarded to, ended ones too. */
  readonly #forwards = new Map<string, Promise<Outcome<BrokeredSession>>>()
  readonly #forwardSessions = new Set<BrokeredSession>()
  #channels = 0
  #refusals = 0
  /** Refused before there was a session to write it to. */
  #untold: { readonly event: 'refused channel' | 'forwarding refused'; readonly detail: string }[] = []
  #isGone = false

  constructor(
    ports: BrokerPorts,
    limits: Limits,
    connection: Connection,
    person: Person,
    place: Place | undefined,
    standing: { readonly isOverLimit: boolean; readonly onSession: (session: BrokeredSession) => void },
  ) {
    this.#ports = ports
    this.#limits = limits
    this.#connection = connection
    this.#person = person
    this.#place = place
    this.#standing = standing
    this.#transport = new Transport(connection, limits, ports.log)
    connection.on('session', (accept, reject) => {
      if (!this.mayOpenChannel()) {
        this.refused('refused channel', `more than ${limits.channelsPerConnection} channels`)
        return reject()
      }
      this.#channels += 1
      this.#serve(accept())
    })
    connection.on('close', () => this.#gone())
    connection.on('end', () => this.#gone())
  }

  mayOpenChannel(): boolean {
    return this.#channels < this.#limits.channelsPerConnection
  }

  /** Counts a channel that carries an inner connection. */
  carry(channel: Duplex): void {
    this.#channels += 1
    channel.once('close', () => {
      this.#channels -= 1
    })
  }

  /** Counts something refused, writes it down where there is a session, and ends a connection that will not stop. */
  refused(event: 'refused channel' | 'forwarding refused', detail: string): void {
    this.#refusals += 1
    // The first few say everything; a flood of them must not become one of audit entries.
    if (this.#refusals <= 10) {
      this.#ports.log(event, {
        user: this.#person.user,
        source: this.#person.source,
        detail: printable(detail),
      })
      if (this.#session === undefined) this.#untold.push({ event, detail: printable(detail) })
      else this.#session.event(event, printable(detail))
    }
    if (this.#refusals >= this.#limits.refusalsPerConnection) this.#connection.end()
  }

  /**
   * Carries a connection to a destination beyond the target (RFC 4254 §7.2). The vault decides about each destination;
   * one that it allows is a session of its own, for as long as this connection lasts.
   */
  async forward(request: ForwardRequest): Promise<void> {
    const { destIP: host, destPort: port } = request.info
    const refuse = (why: string) => {
      this.refused('forwarding refused', `direct-tcpip to ${host.slice(0, 200)}:${port}: ${why}`)
      request.reject(printable(why))
    }
    if (!this.mayOpenChannel()) return refuse('too many channels')
    const name = `${host.toLowerCase()} ${port}`
    const known = this.#forwards.get(name)
    if (known === undefined && this.#forwards.size >= mostDestinations) return refuse('too many destinations')
    this.#channels += 1
    try {
      const opening = known ?? this.#openForward(name, host, port)
      const outcome = await opening
      if (!outcome.ok) {
        this.#channels -= 1
        return refuse(sentenceOf(outcome.refusal))
      }
      const session = outcome.value
      if (session.isEnding) {
        this.#channels -= 1
        return refuse('this forwarding was ended: connect again')
      }
      await session.forward(request, this.#transport)
    } catch (error) {
      this.#ports.log('a forwarding failed', { source: this.#person.source, error: String(error) })
      request.reject('something broke in the gateway: tell its administrator')
    }
    this.#channels -= 1
  }

  #openForward(name: string, host: string, port: number): Promise<Outcome<BrokeredSession>> {
    const opening = this.#forwardSession({ host, port })
    this.#forwards.set(name, opening)
    // One that could not be opened is tried again.
    const forget = () => this.#forwards.delete(name)
    opening.then((outcome) => outcome.ok || forget(), forget)
    return opening
  }

  async #forwardSession(forward: {
    readonly host: string
    readonly port: number
  }): Promise<Outcome<BrokeredSession>> {
    const place = this.#mayReach()
    if (!place.ok) return place
    const outcome = await openSession(this.#ports, this.#limits, {
      person: this.#person,
      target: place.value.target,
      account: place.value.account,
      wants: 'forward',
      forward,
    })
    if (!outcome.ok) return outcome
    const session = outcome.value
    this.#forwardSessions.add(session)
    this.#standing.onSession(session)
    if (this.#isGone) void session.leave()
    return outcome
  }

  #serve(requests: Session): void {
    let terminal: Terminal | undefined
    const env: Record<string, string> = {}
    let variables = 0
    requests.on('close', () => {
      this.#channels -= 1
    })
    requests.on('env', (accept, reject, info) => {
      variables += 1
      if (variables > mostVariables || !isPassedOn(info.key) || info.val.length > longestVariable)
        return reject?.()
      env[info.key] = info.val
      accept?.()
    })
    requests.on('pty', (accept, _reject, info) => {
      terminal = terminalOf(info, lastTerminalModes(this.#connection))
      accept?.()
    })
    requests.on('auth-agent', (_accept, reject) => {
      this.refused('forwarding refused', 'agent forwarding')
      reject?.()
    })
    requests.on('x11', (_accept, reject) => {
      this.refused('forwarding refused', 'X11 forwarding')
      reject?.()
    })
    requests.on('shell', (accept) => {
      void this.#relay({ kind: 'shell', terminal, env }, accept(), requests)
    })
    requests.on('exec', (accept, reject, info) => {
      if (info.command.length > longestCommand || info.command.includes('\0')) return reject?.()
      void this.#relay(execRequest(info.command, terminal, env), accept(), requests)
    })
    requests.on('subsystem', (accept, reject, info) => {
      if (info.name !== 'sftp') {
        this.refused('refused channel', `subsystem ${info.name.slice(0, 100)}`)
        return reject?.()
      }
      void this.#relay(
        { kind: 'sftp', terminal: undefined, env },
        accept() as unknown as ServerChannel,
        requests,
      )
    })
  }

  async #relay(request: ChannelRequest, front: ServerChannel, requests: Session): Promise<void> {
    // ssh2 has read nothing yet: a client may send before it is answered, and must not fill memory meanwhile.
    guardWindow(front, () => {
      this.#ports.log('a client sent more than its window', { source: this.#person.source })
      socketOf(this.#connection)?.destroy()
    })
    mendWaiting(front)
    front.on('error', () => undefined)
    const hasTerminal = request.terminal !== undefined
    try {
      const outcome = await this.#sessionFor(actionOf(request, this.#session?.permit.actions))
      if (!outcome.ok) return await tell(front, hasTerminal, printable(sentenceOf(outcome.refusal)), 10_000)
      const session = outcome.value
      const needs = actionOf(request, session.permit.actions)
      if (!session.permit.actions.includes(needs)) {
        this.refused('refused channel', `${needs} is not granted`)
        const text = `your grant does not allow ${describe(needs)}: ask for it`
        return await tell(front, hasTerminal, text, 10_000)
      }
      await session.open(request, sshChannel(front, requests, this.#transport, hasTerminal))
    } catch (error) {
      this.#ports.log('a channel failed', { source: this.#person.source, error: String(error) })
      await tell(front, hasTerminal, 'the gateway has a fault: tell its administrator', 10_000)
    }
  }

  /** The connection's one session, opened when it is first needed. One that could not be opened is tried again. */
  #sessionFor(wants: Action): Promise<Outcome<BrokeredSession>> {
    const place = this.#mayReach()
    if (!place.ok) return Promise.resolve(place)
    this.#opening ??= this.#open(place.value, wants)
    return this.#opening
  }

  /** Where this connection may open sessions at all. */
  #mayReach(): Outcome<Place> {
    if (this.#standing.isOverLimit)
      return refuse('rate_limited', 'you have too many connections', 'close some, then try again')
    if (this.#place === undefined)
      return refuse(
        'invalid',
        'name the machine you want',
        `ssh ${this.#person.user}@ACCOUNT@TARGET@GATEWAY, or ssh -J ${this.#person.user}@GATEWAY ACCOUNT@TARGET`,
      )
    return done(this.#place)
  }

  async #open(place: Place, wants: Action): Promise<Outcome<BrokeredSession>> {
    try {
      const outcome = await openSession(this.#ports, this.#limits, {
        person: this.#person,
        target: place.target,
        account: place.account,
        wants,
      })
      if (!outcome.ok) {
        this.#opening = undefined
        return outcome
      }
      const session = outcome.value
      this.#session = session
      this.#standing.onSession(session)
      for (const { event, detail } of this.#untold.splice(0)) session.event(event, detail)
      void session.ended.then(() => this.#connection.end())
      if (this.#isGone) void session.leave()
      return outcome
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#transport[Symbol.dispose]()
    void this.#session?.leave()
    for (const session of this.#forwardSessions) void session.leave()
    // Without a session the vault writes them down as it refuses them: no target has such a name.
    for (const { event, detail } of this.#untold.splice(0))
      void this.#ports
        .ask('session.open', {
          proof: this.#person.proof,
          target: `(${event}) ${detail}`.slice(0, 100),
          wants: 'shell',
          worker: this.#ports.worker,
          source: this.#person.source,
        })
        .catch((error: unknown) =>
          this.#ports.log('a refusal was not written down', { error: String(error) }),
        )
  }
}

function describe(action: Action): string {
  switch (action) {
    case 'shell':
      return 'a shell'
    case 'exec':
      return 'commands'
    case 'sftp-read':
      return 'reading files'
    case 'sftp-write':
      return 'writing files'
    case 'elevate':
      return 'elevation'
    case 'forward':
      return 'forwarding'
    case 'observe':
    case 'interact':
    case 'type-in':
    case 'clipboard-in':
    case 'clipboard-out':
      return 'a desktop'
  }
}
