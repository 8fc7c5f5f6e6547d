import type { Socket } from 'node:net'
import type { Client as SshClient } from 'ssh2'
import type { Place } from '../../../vault/ssh/target.ts'
import type { Limits, Log } from './ports.ts'
import { watchTarget } from './target-watch.ts'
import { Transport } from './transport.ts'

/** A connection to an SSH target that is logged in: what channels are opened on, and the names of where it goes. */
export class ChannelLink implements Disposable {
  readonly client: SshClient
  readonly transport: Transport
  readonly names: { readonly target: string; readonly account: string; readonly login: string }
  readonly #watch: Disposable
  #isGone = false

  constructor(
    client: SshClient,
    socket: Socket,
    { target, account }: Pick<Place, 'account'> & { readonly target: Pick<Place['target'], 'name'> },
    limits: Limits,
    log: Log,
    onSilent: () => void = () => client.destroy(),
  ) {
    this.client = client
    this.transport = new Transport(client, limits, log)
    this.names = { target: target.name, account: account.name, login: account.login }
    client.on('close', () => {
      this.#isGone = true
      this[Symbol.dispose]()
    })
    this.#watch = watchTarget(client, socket, limits.keepAlive, onSilent)
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Says goodbye; `destroy` of the client cuts it off. */
  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]()
    this.transport[Symbol.dispose]()
    if (this.#isGone) return
    this.#isGone = true
    this.client.end()
    setTimeout(() => this.client.destroy(), 1_000).unref()
  }
}
