import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { AuthContext, Connection, TcpipRequestInfo } from 'ssh2'
import { type EndReason, nameText } from '../../../vault/contract.ts'
import type { SessionId, WatchId } from '../../../vault/kernel/id.ts'
import { frontAlgorithms } from '../../../vault/ssh/algorithms.ts'
import { authenticate, type Person, showFactor, wantsFactor } from './authenticate.ts'
import { Carried } from './carried.ts'
import { coalesceWrites } from '../../../vault/ssh/coalesce.ts'
import { contain } from './containment.ts'
import { parseInnerLogin } from './destination.ts'
import { FrontConnection } from './front-connection.ts'
import type { GatewayKeys } from './host-key.ts'
import { offerNoSha1, onOddChannel, rejectChannel, Server, socketOf } from '../../../vault/ssh/library.ts'
import type { BrokerPorts, Limits } from './ports.ts'
import { printable } from '../../../vault/ssh/sentence.ts'
import type { BrokeredSession } from './session.ts'
import type { Freeze } from './session-words.ts'
import { readTerminalModes } from './terminal-modes.ts'

/** What came in: a TCP connection, or a channel of an authenticated one that asked for a target by name. */
type Arrival = {
  readonly grace: NodeJS.Timeout
  readonly onAuthenticated: () => void
} & (
  | { readonly kind: 'outer'; readonly source: string }
  | { readonly kind: 'inner'; readonly person: Person; readonly target: string }
)

/** The SSH server of a worker. It does not listen: connections are handed to it. */
export class SshFront {
  readonly #ports: BrokerPorts
  readonly #limits: Limits
  readonly #server: InstanceType<typeof Server>
  readonly #arrivals = new WeakMap<Duplex, Arrival>()
  readonly #connections = new Set<Connection>()
  readonly #carried: Carried

  constructor(ports: BrokerPorts, limits: Limits, keys: GatewayKeys, carried = new Carried()) {
    this.#ports = ports
    this.#carried = carried
    this.#limits = limits
    this.#server = new Server(
      {
        hostKeys: [...keys.privateKeys],
        ident: 'Tagout',
        algorithms: structuredClone(frontAlgorithms) as never,
        keepaliveInterval: limits.keepAlive,
        keepaliveCountMax: 4,
      },
      (connection) => {
        const stream = socketOf(connection)
        if (stream !== undefined) contain(stream, () => this.#greet(connection))
      },
    )
    this.#server.on('error', (error: Error) =>
      ports.log('the SSH server has a fault', { error: error.message }),
    )
  }

  get sessions(): ReadonlyMap<SessionId, BrokeredSession> {
    return this.#carried.sessions
  }

  /** Takes a TCP connection. `onAuthenticated` is called when its user is proven, if ever. */
  adopt(socket: Socket, onAuthenticated: () => void = () => undefined): void {
    socket.setNoDelay(true)
    const source = socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown'
    this.#arrive(socket, { kind: 'outer', source, grace: this.#grace(socket), onAuthenticated })
  }

  /** Ends a session and tells its user why. False when it is not one of this worker's. */
  cut(session: SessionId, reason: EndReason, message?: string): boolean {
    return this.#carried.cut(session, reason, message)
  }

  /** Holds a session's input or lets it go on. False when it is not one of this worker's. */
  freeze(session: SessionId, frozen: boolean, order: Freeze, hands: WatchId | null): boolean {
    const found = this.#carried.sessions.get(session)
    found?.setFrozen(frozen, order, hands)
    return found !== undefined
  }

  /** Moves a session's end. False when it is not one of this worker's. */
  extend(session: SessionId, endsAt: string): boolean {
    const found = this.#carried.sessions.get(session)
    found?.extend(endsAt)
    return found !== undefined
  }

  /** Shows a line in a session's terminals: in how many. Undefined when it is not one of this worker's. */
  message(session: SessionId, by: string, text: string): number | undefined {
    return this.#carried.sessions.get(session)?.message(by, text)
  }

  /** Ends all sessions and connections. */
  async close(reason: EndReason): Promise<void> {
    await this.#carried.endAll(reason)
    for (const connection of this.#connections) {
      connection.end()
      socketOf(connection)?.destroy()
    }
  }

  #grace(stream: Duplex): NodeJS.Timeout {
    // SECURITY: ssh2 has no login grace time; half-open connections would stay for ever.
    return setTimeout(() => stream.destroy(), this.#limits.loginGrace)
  }

  #arrive(stream: Duplex, arrival: Arrival): void {
    this.#arrivals.set(stream, arrival)
    coalesceWrites(stream)
    stream.on('error', () => undefined)
    stream.on('close', () => clearTimeout(arrival.grace))
    contain(stream, () => this.#server.injectSocket(stream as Socket))
  }

  #greet(connection: Connection): void {
    const stream = socketOf(connection)
    const arrival = stream === undefined ? undefined : this.#arrivals.get(stream)
    if (arrival === undefined) return void connection.end()
    this.#connections.add(connection)
    offerNoSha1(connection)
    readTerminalModes(connection)
    // SECURITY: without a handler one malformed packet ends the process, and everybody's sessions with it.
    connection.on('error', (error: Error) => {
      this.#ports.log('a client connection failed', { error: printable(error.message).slice(0, 200) })
    })
    connection.on('close', () => this.#connections.delete(connection))
    if (arrival.kind === 'outer') this.#greetOuter(connection, arrival)
    else this.#greetInner(connection, arrival)
  }

  #greetOuter(connection: Connection, arrival: Extract<Arrival, { kind: 'outer' }>): void {
    const { ask, log } = this.#ports
    authenticate(connection, {
      ask,
      limits: this.#limits,
      source: arrival.source,
      log,
      onProven: (person) => {
        clearTimeout(arrival.grace)
        arrival.onAuthenticated()
        const { target, account } = person.destination
        const place =
          target === undefined ? undefined : { target, ...(account === undefined ? {} : { account }) }
        const front = this.#serve(connection, person, place)
        connection.on('tcpip', (accept, reject, info) => {
          if (place !== undefined) return forward(connection, front, accept, reject, info)
          const { destIP, destPort } = info
          // Only a target's name, and only where the outer login names none, is a way in: `ssh -J`.
          if (!nameText.safeParse(destIP).success || !front.mayOpenChannel()) {
            front.refused('forwarding refused', `direct-tcpip to ${destIP.slice(0, 200)}:${destPort}`)
            return rejectChannel(
              connection,
              reject,
              'name the target in the user part (ssh -L … user@account@target@gateway), or reach it by -J',
            )
          }
          const channel = accept() as Duplex
          this.#arrive(channel, {
            kind: 'inner',
            person,
            target: destIP,
            onAuthenticated: () => undefined,
            grace: this.#grace(channel),
          })
          front.carry(channel)
        })
      },
    })
  }

  #greetInner(connection: Connection, arrival: Extract<Arrival, { kind: 'inner' }>): void {
    const { person, target } = arrival
    const { ask, log } = this.#ports
    let attempts = 0
    let isIn = false
    /** A rule of the policy wants a code of whoever goes there. */
    let wanting: string | undefined
    const enter = async (context: AuthContext): Promise<void> => {
      const login = parseInnerLogin(context.username, { user: person.user, target })
      if (isIn || login === undefined) return context.reject(['none' as never])
      if (wanting !== undefined) {
        const shown =
          context.username === wanting ? await showFactor(ask, context, person.proof, target) : undefined
        if (shown?.ok !== true) {
          attempts += 1
          context.reject(['keyboard-interactive'])
          if (attempts >= this.#limits.loginAttempts) connection.end()
          return
        }
      } else {
        // SECURITY: no proof is asked here because the outer connection, which carries this one, has given it.
        if (context.method !== 'none') return context.reject(['none' as never])
        if (await wantsFactor(ask, person.proof, { target, ...login })) {
          wanting = context.username
          return context.reject(['keyboard-interactive'])
        }
      }
      isIn = true
      clearTimeout(arrival.grace)
      const front = this.#serve(connection, person, { target, ...login })
      connection.on('tcpip', (accept, reject, info) => {
        forward(connection, front, accept, reject, info)
      })
      context.accept()
    }
    let turn = Promise.resolve()
    connection.on('authentication', (context: AuthContext) => {
      turn = turn.then(() =>
        enter(context).catch((error: unknown) => {
          log('a login could not be decided', { source: person.source, error: String(error) })
          context.reject(['none' as never])
        }),
      )
    })
  }

  #serve(
    connection: Connection,
    person: Person,
    place: { readonly target: string; readonly account?: string } | undefined,
  ): FrontConnection {
    const count = this.#carried.enter(person.user)
    connection.on('close', () => this.#carried.leave(person.user))
    const front = new FrontConnection(this.#ports, this.#limits, connection, person, place, {
      isOverLimit: count > this.#limits.connectionsPerUser,
      onSession: (session) => this.#carried.add(session),
    })
    connection.on('request', (_accept, reject, name) => {
      front.refused('forwarding refused', String(name))
      reject?.()
    })
    connection.on('openssh.streamlocal', (_accept, reject, info) => {
      front.refused('forwarding refused', `direct-streamlocal to ${info.socketPath.slice(0, 200)}`)
      reject()
    })
    onOddChannel(connection, (type) => front.refused('forwarding refused', `channel of type ${type}`))
    return front
  }
}

/** Hands a connection that goes beyond the target to its front. */
function forward(
  connection: Connection,
  front: FrontConnection,
  accept: () => unknown,
  reject: () => void,
  info: TcpipRequestInfo,
): void {
  void front.forward({
    info,
    accept: accept as () => Duplex,
    reject: (why) => rejectChannel(connection, reject, why),
  })
}
