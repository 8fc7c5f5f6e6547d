import type { Client as SshClient, Connection } from 'ssh2'
import { exchangeKeys, isExchangingKeys, socketOf } from '../../../vault/ssh/library.ts'
import type { Limits, Log } from './ports.ts'

/** Bytes waiting in the socket above which no channel hands it more. */
const highWater = 1024 * 1024
/** Bytes waiting in the socket above which a peer is not read either: it does not take our answers. */
const floodWater = 4 * 1024 * 1024

/**
 * One SSH connection's stream: knows when it is full, exchanges its keys anew by volume and time, and stops reading a
 * peer that does not read.
 *
 * SECURITY: ssh2 writes to the socket whatever the channel's window allows, and a hostile peer grants 4 GiB. Asking
 * `isFull` before each write keeps what waits in memory bounded, also while keys are exchanged.
 */
export class Transport implements Disposable {
  readonly #connection: Connection | SshClient
  readonly #limits: Pick<Limits, 'rekeyBytes' | 'rekeyAfter'>
  readonly #timer: NodeJS.Timeout
  #bytes = 0
  #keysSince = Date.now()
  #exchangingSince: number | undefined

  constructor(
    connection: Connection | SshClient,
    limits: Pick<Limits, 'rekeyBytes' | 'rekeyAfter'>,
    log: Log,
  ) {
    this.#connection = connection
    this.#limits = limits
    connection.on('handshake', () => {
      this.#bytes = 0
      this.#keysSince = Date.now()
      this.#exchangingSince = undefined
    })
    this.#timer = setInterval(
      () => {
        if (isExchangingKeys(connection)) {
          // A peer that begins to exchange keys and never ends holds everything up.
          if (this.#exchangingSince === undefined) this.#exchangingSince = Date.now()
          else if (Date.now() - this.#exchangingSince > 30_000) {
            log('a peer did not finish its key exchange')
            socketOf(connection)?.destroy()
          }
          return
        }
        this.#exchangingSince = undefined
        if (this.#bytes > 0 && Date.now() - this.#keysSince >= limits.rekeyAfter) this.rekey()
      },
      Math.min(10_000, limits.rekeyAfter),
    )
    this.#timer.unref()
    this.#stopReadingFloods()
  }

  /** Counts bytes of either direction towards the next exchange of keys. */
  count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes >= this.#limits.rekeyBytes && !isExchangingKeys(this.#connection)) this.rekey()
  }

  rekey(): void {
    this.#bytes = 0
    this.#keysSince = Date.now()
    exchangeKeys(this.#connection)
  }

  get isFull(): boolean {
    const socket = socketOf(this.#connection)
    return (socket !== undefined && socket.writableLength > highWater) || isExchangingKeys(this.#connection)
  }

  /** Calls back once, when there may be room again or the connection is gone. */
  whenRoom(callback: () => void): void {
    const socket = socketOf(this.#connection)
    const again = () => {
      socket?.off('drain', again)
      socket?.off('close', again)
      this.#connection.off('handshake', again)
      setImmediate(callback)
    }
    socket?.on('drain', again)
    socket?.on('close', again)
    this.#connection.on('handshake', again)
  }

  #stopReadingFloods(): void {
    const socket = socketOf(this.#connection)
    socket?.on('data', () => {
      if (socket.writableLength <= floodWater) return
      socket.pause()
      socket.once('drain', () => socket.resume())
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
