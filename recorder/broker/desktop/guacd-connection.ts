import { readFile } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import type { DesktopProtocol } from '../../../vault/contract.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import type { GuacdAddress } from './ask-guacd.ts'
import { encodeInstruction, type Instruction, InstructionParser } from './instruction.ts'

/** Instructions before the first picture: guacd says some dozen, of the mouse's pointer and the name of the desktop. */
const mostEarly = 1_000

/** guacd, and as whom it runs where that is known: whoever else answers at its address is not given a password. */
export type GuacdPlace = GuacdAddress & { readonly uid: number | undefined }

/** What a connection of guacd is begun with: a new one, or one that runs already. */
export type Begin =
  | {
      readonly kind: 'new'
      readonly protocol: DesktopProtocol
      readonly parameters: Readonly<Record<string, string>>
    }
  | { readonly kind: 'join'; readonly id: string }

/** Why there is no connection. `status` is of the Guacamole protocol: 0x207 the target is not there, 0x301 not let in. */
export class GuacdRefusal extends Error {
  readonly status: number

  constructor(status: number) {
    super(`guacd refused the connection with status ${status}`)
    this.status = status
  }
}

/** A connection of guacd's to a desktop, after its first picture: it is there, and the login is over. */
export class GuacdConnection {
  /** Joins it. SECURITY: whoever has it and reaches guacd can, so it leaves this process to nobody. */
  readonly id: string
  readonly socket: Socket
  readonly #parser: InstructionParser
  readonly #early: Instruction[]

  private constructor(id: string, socket: Socket, parser: InstructionParser, early: Instruction[]) {
    this.id = id
    this.socket = socket
    this.#parser = parser
    this.#early = early
  }

  /**
   * Begins a connection. Throws `GuacdRefusal`, or `Fault` where guacd is away, silent or not itself, and where `given up`:
   * guacd itself often says nothing of a machine that hangs up.
   */
  static async begin(
    place: GuacdPlace,
    begin: Begin,
    withinMs: number,
    givenUp?: AbortSignal,
  ): Promise<GuacdConnection> {
    const socket = createConnection({ host: place.host, port: place.port, noDelay: true })
    // Whatever happens to it ends up in whoever reads; without this, between two of them, it would end the process.
    socket.on('error', () => undefined)
    const deadline = setTimeout(
      () => socket.destroy(new Fault('timeout', 'the desktop did not answer in time')),
      withinMs,
    )
    const giveUp = () => void socket.destroy()
    givenUp?.addEventListener('abort', giveUp)
    const parser = new InstructionParser()
    try {
      if (givenUp?.aborted === true) throw new Fault('closed', 'given up')
      let id: string | undefined
      let isAnswered = false
      const early: Instruction[] = []
      socket.write(encodeInstruction('select', begin.kind === 'join' ? begin.id : begin.protocol))
      for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        const instructions = parser.push(chunk)
        for (const [at, instruction] of instructions.entries()) {
          const { opcode, args } = instruction
          if (id !== undefined && early.push(instruction) > mostEarly)
            throw new Fault('closed', 'guacd shows no picture and says much')
          if (opcode === 'error') throw new GuacdRefusal(Number(args[1]) || 0)
          if (opcode === 'args') {
            // SECURITY: what opens the machine is told once.
            if (isAnswered) throw new Fault('closed', 'guacd asks for the parameters a second time')
            isAnswered = true
            await answer(place, begin, args, socket)
          }
          if (opcode === 'ready') id = args[0]
          // A first picture: whoever is not let in is told so before it.
          if (id !== undefined && isPicture(begin, opcode))
            return new GuacdConnection(id, socket, parser, [...early, ...instructions.slice(at + 1)])
        }
      }
      throw new Fault('closed', 'guacd closed the connection')
    } catch (error) {
      socket.destroy()
      if (error instanceof Fault || error instanceof GuacdRefusal) throw error
      throw new Fault('closed', 'guacd does not answer', { cause: error })
    } finally {
      clearTimeout(deadline)
      givenUp?.removeEventListener('abort', giveUp)
    }
  }

  /** All that comes, in pieces as they come; who does not ask for the next keeps guacd waiting. Once. */
  async *instructions(): AsyncGenerator<readonly Instruction[]> {
    yield this.#early.splice(0)
    for await (const chunk of this.socket as AsyncIterable<Uint8Array>) {
      const instructions = this.#parser.push(chunk)
      if (instructions.length > 0) yield instructions
    }
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes)
  }

  /** Ends it at once: guacd keeps a connection for 15 s otherwise. */
  close(): void {
    if (this.socket.destroyed) return
    this.socket.end(encodeInstruction('disconnect'))
    setTimeout(() => this.socket.destroy(), 1_000).unref()
  }
}

/** Is it the desktop's own? What guacd draws of RDP before it has logged in is its own: a size, and a pointer. */
function isPicture(begin: Begin, opcode: string): boolean {
  if (opcode === 'sync') return true
  return !(begin.kind === 'new' && begin.protocol === 'rdp') && (opcode === 'size' || opcode === 'img')
}

async function answer(
  place: GuacdPlace,
  begin: Begin,
  args: readonly string[],
  socket: Socket,
): Promise<void> {
  if (!(await isItself(place, socket)))
    throw new Fault('closed', 'something else than guacd answers at its address')
  const [first = '', ...rest] = args
  const hasVersion = first.startsWith('VERSION_')
  const names = hasVersion ? rest : args
  const known: Readonly<Record<string, string>> =
    begin.kind === 'join' ? { 'read-only': 'true' } : begin.parameters
  socket.write(
    Buffer.concat([
      encodeInstruction('size', '1024', '768', '96'),
      encodeInstruction('audio'),
      encodeInstruction('video'),
      encodeInstruction('image', 'image/png', 'image/jpeg'),
      // With 1.1.0 guacd asks for nothing besides: what it lacks is an error.
      encodeInstruction(
        'connect',
        ...(hasVersion ? ['VERSION_1_1_0'] : []),
        // SECURITY: every parameter that guacd knows and we do not name stays empty: files, recording, other hosts.
        ...names.map((name) => known[name] ?? ''),
      ),
    ]),
  )
}

/**
 * Whether the other end of a connection on this machine belongs to the user whom guacd runs as.
 *
 * SECURITY: between two lives of guacd anybody on the machine could listen at its address, and would be sent a password.
 */
export async function isItself({ uid }: GuacdPlace, socket: Socket): Promise<boolean> {
  if (uid === undefined) return true
  const port = (value: number | undefined) => (value ?? 0).toString(16).toUpperCase().padStart(4, '0')
  const table = await readFile('/proc/net/tcp', 'utf8')
  return table.split('\n').some((line) => {
    const [, local = '', remote = '', , , , , owner] = line.trim().split(/\s+/)
    return (
      local.endsWith(`:${port(socket.remotePort)}`) &&
      remote.endsWith(`:${port(socket.localPort)}`) &&
      Number(owner) === uid
    )
  })
}
