import { randomBytes } from 'node:crypto'
import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { encodeInstruction, InstructionParser } from './instruction.ts'

/** Milliseconds in which guacamole-lite brings a ticket that it was given; it is in the same process. */
const ticketLife = 5_000

type Waiting = { readonly take: (socket: Socket) => void; readonly timer: NodeJS.Timeout }

/**
 * What guacamole-lite takes for guacd: it speaks the protocol's handshake, takes a one-use ticket in the place of host
 * and password, and hands over the connection. The real parameters never come near guacamole-lite.
 */
export class Tap implements AsyncDisposable {
  readonly path: string
  readonly #server: Server
  readonly #waiting = new Map<string, Waiting>()

  private constructor(path: string, server: Server) {
    this.path = path
    this.#server = server
  }

  /** Listens at `path`, a socket that this process's user alone may use. */
  static async listen(path: string): Promise<Tap> {
    await rm(path, { force: true })
    const server = createServer({ noDelay: true })
    const tap = new Tap(path, server)
    server.on('connection', (socket) => tap.#greet(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    await chmod(path, 0o600)
    return tap
  }

  /** A ticket, and the connection of whoever brings it: once. Rejects when nobody does. */
  offer(): { readonly ticket: string; readonly brought: Promise<Socket> } {
    const ticket = randomBytes(32).toString('hex')
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const timer = setTimeout(() => {
      this.#waiting.delete(ticket)
      reject(new Error('nobody brought the ticket of a desktop'))
    }, ticketLife)
    this.#waiting.set(ticket, { take: resolve, timer })
    return { ticket, brought: promise }
  }

  #greet(socket: Socket): void {
    const parser = new InstructionParser()
    const grace = setTimeout(() => socket.destroy(), ticketLife)
    socket.on('error', () => socket.destroy())
    const hear = (chunk: Buffer) => {
      try {
        for (const { opcode, args } of parser.push(chunk)) {
          if (opcode === 'select') socket.write(encodeInstruction('args', 'VERSION_1_1_0', 'hostname'))
          if (opcode !== 'connect') continue
          clearTimeout(grace)
          socket.off('data', hear)
          socket.pause()
          const waiting = this.#waiting.get(args[1] ?? '')
          this.#waiting.delete(args[1] ?? '')
          if (waiting === undefined || !parser.isBetween) return void socket.destroy()
          clearTimeout(waiting.timer)
          // SECURITY: not the real id, which joins the connection.
          socket.write(encodeInstruction('ready', '$desktop'))
          return waiting.take(socket)
        }
      } catch {
        socket.destroy()
      }
    }
    socket.on('data', hear)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#server.close()
    await rm(this.path, { force: true })
  }
}
