import type { Socket } from 'node:net'
import { fingerprintOf } from '../../../vault/tls/fingerprint.ts'
import type { GuacdPlace } from './guacd-connection.ts'
import { type GuacdDoor, openDoor, reach } from './guacd-door.ts'
import {
  CertificateReader,
  type Greeting,
  HiddenCertificate,
  rdpProtocols,
  readGreeting,
} from './rdp-greeting.ts'

export type RdpMachine = {
  readonly host: string
  readonly port: number
  readonly security: 'nla' | 'tls'
  readonly pins: readonly { readonly fingerprint: string }[]
}

/** Why a machine and guacd do not come together, as the relay between them saw it. */
export type RelayFailure =
  | { readonly kind: 'other certificate'; readonly fingerprint: string }
  | { readonly kind: 'other security'; readonly greeting: Greeting }
  | { readonly kind: 'no rdp' }
  | { readonly kind: 'hidden certificate' }
  | { readonly kind: 'closed' }

/**
 * Carries one connection of guacd's to a machine of RDP, and reads on the way who answers: guacd itself pins nothing.
 *
 * INVARIANT: nothing that the machine sends under TLS reaches guacd before its certificate was found to be a pinned one, in
 * this very connection; so guacd sends no password to any other. What passes is not changed, nor ended here: the login
 * of NLA is bound to the certificate.
 */
export class RdpRelay implements Disposable {
  readonly port: number
  #failure: RelayFailure | undefined
  #isVerified = false
  readonly #failed = new AbortController()
  readonly #door: GuacdDoor
  readonly #target: Socket
  #client: Socket | undefined

  private constructor(door: GuacdDoor, target: Socket) {
    this.#door = door
    this.#target = target
    this.port = door.port
  }

  get failure(): RelayFailure | undefined {
    return this.#failure
  }

  /** Aborts when `failure` is known. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /** Whether the machine showed a pinned certificate. */
  get isVerified(): boolean {
    return this.#isVerified
  }

  /** Connects to the machine, and waits for guacd on loopback. Throws the system's error where nothing answers. */
  static async open(place: GuacdPlace, machine: RdpMachine, withinMs: number): Promise<RdpRelay> {
    const target = await reach(machine.host, machine.port, withinMs)
    try {
      const came = Promise.withResolvers<Socket>()
      const relay = new RdpRelay(await openDoor(place, came.resolve), target)
      void came.promise.then((client) => relay.#join(client, machine))
      target.on('close', () => relay.#fail({ kind: 'closed' }))
      return relay
    } catch (error) {
      target.destroy()
      throw error
    }
  }

  #join(client: Socket, machine: RdpMachine): void {
    this.#client = client
    const target = this.#target
    client.on('close', () => target.destroy())
    const reader = new CertificateReader()
    let greeted = false
    let held = Buffer.alloc(0)
    const hear = (chunk: Buffer) => {
      try {
        held = Buffer.concat([held, chunk])
        let fresh: Buffer = chunk
        if (!greeted) {
          const read = readGreeting(held)
          if (read === undefined) return
          const { greeting, length } = read
          const wanted = machine.security === 'nla' ? rdpProtocols.nla : rdpProtocols.tls
          if (greeting.kind === 'refused' || greeting.protocol !== wanted)
            return this.#fail({ kind: 'other security', greeting })
          greeted = true
          client.write(held.subarray(0, length))
          held = held.subarray(length)
          fresh = held
        }
        const certificate = reader.push(fresh)
        if (certificate === undefined) return
        const fingerprint = fingerprintOf(certificate)
        if (!machine.pins.some((pin) => pin.fingerprint === fingerprint))
          return this.#fail({ kind: 'other certificate', fingerprint })
        this.#isVerified = true
        target.off('data', hear)
        client.write(held)
        target.pipe(client)
      } catch (error) {
        this.#fail({ kind: error instanceof HiddenCertificate ? 'hidden certificate' : 'no rdp' })
      }
    }
    target.on('data', hear)
    client.pipe(target)
  }

  #fail(failure: RelayFailure): void {
    this.#failure ??= failure
    this[Symbol.dispose]()
    this.#failed.abort()
  }

  [Symbol.dispose](): void {
    this.#door.close()
    this.#client?.destroy()
    this.#target.destroy()
  }
}
