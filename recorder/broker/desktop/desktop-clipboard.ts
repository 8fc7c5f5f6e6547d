import { createHash } from 'node:crypto'
import type { ClipboardWay, VerbInput } from '../../../vault/contract.ts'
import { liveBounds } from '../../live/protocol.ts'
import type { Mark } from '../../recording/index.ts'
import { ClipboardStream, type Gathered, openedStream, streamStatus } from './clipboard-stream.ts'
import { encodeInstruction, type Instruction } from './instruction.ts'

export type ClipboardPorts = {
  /** Is there a grant for this way, and nothing that holds it now? */
  readonly may: (way: ClipboardWay) => boolean
  /** Into the recording. Rejects when it cannot take it. */
  readonly mark: (mark: Mark) => Promise<void>
  readonly tell: (text: Omit<VerbInput<'session.clipboard'>, 'session'>) => void
  readonly refused: (detail: string) => void
  readonly toMachine: (bytes: Buffer) => void
  readonly toUser: (bytes: Buffer) => void
  /** Whether this end reads: what one that does not is sent is bounded. */
  readonly reads: (whom: 'user' | 'machine') => boolean
  /** Resolves when the browser takes more. */
  readonly ready: () => Promise<void>
  /** The recording could not take something. */
  readonly failed: (error: unknown) => void
  /** Does the safe keep all input? */
  readonly keepsText: boolean
  /** Milliseconds of a clock that does not jump. */
  readonly now: () => number
}

/** So many texts go one way at once, then one every so many milliseconds. */
const burst = 10
const everyMs = 2_000
/**
 * SECURITY: a shorter text has no digest outside what keeps it: passwords are pasted, and whoever reads the log, or the
 * recording, could try which one it was.
 */
const leastDigested = 64
/** Of a text that is kept, so many characters: what a mark can hold. */
const mostKept = 16 * 1024
/** Bytes in a piece, so that an instruction is one that guacd takes (8 KiB). */
const pieceBytes = 4_096
/** The stream by which the browser gets texts; guacd numbers its own below 128. */
const toUserStream = '1024'
const toMachineStream = '0'

/**
 * The clipboard of a desktop, both ways: put together here, looked at, recorded, and only then passed on, spelled anew.
 *
 * INVARIANT: a text goes a way that the grant allows, while nothing holds the session; the recording has its mark before
 * the other side has any of it. A stream that is not let through is answered, so that its sender does not wait.
 *
 * SECURITY: a hostile machine can change its clipboard as often as it likes. Of those that come too often the last one
 * is passed on when it may be, and the others reach nobody; so marks and entries of the log are few.
 */
export class DesktopClipboard implements Disposable {
  readonly #ports: ClipboardPorts
  readonly #fromUser = new ClipboardStream(liveBounds.clipboardBytes)
  readonly #fromMachine = new ClipboardStream(liveBounds.clipboardBytes)
  readonly #paces: Readonly<Record<ClipboardWay, Pace>>
  /** The last text of the machine's that has not gone on yet. */
  #waiting: Buffer | undefined
  #isPassing = false
  #isOver = false
  #timer: NodeJS.Timeout | undefined
  #wake: () => void = () => undefined

  constructor(ports: ClipboardPorts) {
    this.#ports = ports
    this.#paces = { in: new Pace(ports.now), out: new Pace(ports.now) }
  }

  /**
   * Takes what the browser sent. False: it is none of a clipboard's, and no stream's. Rejects when the recording cannot
   * take it.
   */
  async fromUser(one: Instruction): Promise<boolean> {
    const gathered = this.#fromUser.push(one, this.#ports.may('in'))
    if (gathered.kind === 'other') return this.#refuseStream(one, 'user')
    if (gathered.kind === 'more') return true
    if (gathered.kind === 'refused') return this.#refuse(gathered, 'in')
    const { stream, bytes } = gathered
    if (!this.#ports.reads('machine') || !this.#paces.in.take())
      return this.#refuse({ stream, status: streamStatus.tooOften, why: 'too many of them' }, 'in')
    await this.#record('in', bytes)
    if (!this.#ports.may('in')) return this.#refuse({ stream, ...held }, 'in')
    this.#ports.toMachine(spell(toMachineStream, bytes))
    this.#tell('in', bytes)
    this.#answer('user', stream, streamStatus.done)
    return true
  }

  /** Takes what guacd sent. False: it is none of a clipboard's, and no stream's that is refused. */
  fromMachine(one: Instruction, isPicture: (stream: string) => boolean): boolean {
    const [stream = ''] = one.args
    // SECURITY: a number is one stream: a picture keeps its own, and takes that of a text that has not ended.
    if (one.opcode === 'img' && this.#fromMachine.has(stream)) this.#fromMachine.drop()
    if (one.opcode === 'clipboard' && isPicture(stream))
      return this.#refuse({ stream, status: streamStatus.malformed, why: 'in the place of a picture' }, 'out')
    const gathered = this.#fromMachine.push(one, this.#ports.may('out'))
    if (gathered.kind === 'other') return this.#refuseStream(one, 'machine')
    if (gathered.kind === 'more') return true
    if (gathered.kind === 'refused') return this.#refuse(gathered, 'out')
    this.#answer('machine', gathered.stream, streamStatus.done)
    // A clipboard that was emptied offers nobody anything.
    if (gathered.bytes.length === 0) return true
    this.#waiting = gathered.bytes
    if (!this.#isPassing) void this.#passOn().catch(this.#ports.failed)
    return true
  }

  /** Drops what is on its way, and answers it. */
  hold(): void {
    this.#waiting = undefined
    const [user, machine] = [this.#fromUser.drop(), this.#fromMachine.drop()]
    if (user !== undefined) this.#answer('user', user, streamStatus.forbidden)
    if (machine !== undefined) this.#answer('machine', machine, streamStatus.forbidden)
  }

  /** What the browser sends while it is held: dropped as it comes, so that it never arrives later. */
  whileHeld(one: Instruction): void {
    const stream = openedStream(one)
    if (stream !== undefined) this.#answer('user', stream, streamStatus.forbidden)
  }

  async #passOn(): Promise<void> {
    this.#isPassing = true
    try {
      while (this.#waiting !== undefined && !this.#isOver) {
        await this.#pause(this.#paces.out.wait())
        await this.#ports.ready()
        const bytes = this.#waiting
        this.#waiting = undefined
        if (bytes === undefined || this.#isOver || !this.#ports.may('out')) continue
        this.#paces.out.take()
        await this.#record('out', bytes)
        if (!this.#ports.may('out')) continue
        this.#ports.toUser(spell(toUserStream, bytes))
        this.#tell('out', bytes)
      }
    } finally {
      this.#isPassing = false
    }
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#timer = setTimeout(resolve, ms)
      })
  }

  async #record(way: ClipboardWay, bytes: Buffer): Promise<void> {
    const { keepsText } = this.#ports
    await this.#ports.mark({
      kind: 'clipboard',
      way,
      mimetype: 'text/plain',
      size: bytes.length,
      ...(keepsText || bytes.length >= leastDigested ? { sha256: digest(bytes) } : {}),
      ...(keepsText ? { text: bytes.toString('utf8').slice(0, mostKept) } : {}),
    })
  }

  #tell(way: ClipboardWay, bytes: Buffer): void {
    this.#ports.tell({
      way,
      mimetype: 'text/plain',
      size: bytes.length,
      ...(bytes.length < leastDigested ? {} : { sha256: digest(bytes) }),
    })
  }

  #refuse(
    { stream, status, why }: Pick<Extract<Gathered, { kind: 'refused' }>, 'stream' | 'status' | 'why'>,
    way: ClipboardWay,
  ): true {
    this.#ports.refused(`${way === 'in' ? 'to the machine' : 'from the machine'}: ${why}`)
    this.#answer(way === 'in' ? 'user' : 'machine', stream, status)
    return true
  }

  /** Files, sound, pipes: no stream of theirs goes on, and who opened one is told so. */
  #refuseStream(one: Instruction, of: 'user' | 'machine'): boolean {
    const stream = openedStream(one)
    if (stream !== undefined) this.#answer(of, stream, streamStatus.forbidden)
    // What a user tries is written down by whoever sent it here.
    return of === 'machine' && stream !== undefined
  }

  #answer(whom: 'user' | 'machine', stream: string, status: number): void {
    // SECURITY: each stream that somebody begins has an answer: whoever reads none is not answered without end.
    if (!this.#ports.reads(whom)) return
    const bytes = encodeInstruction('ack', stream, status === 0 ? 'OK' : 'REFUSED', String(status))
    if (whom === 'user') this.#ports.toUser(bytes)
    else this.#ports.toMachine(bytes)
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    this.#waiting = undefined
    clearTimeout(this.#timer)
    this.#wake()
  }
}

const held = { status: streamStatus.forbidden, why: 'held meanwhile' } as const

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The instructions of a text: its own words alone are somebody else's. */
function spell(stream: string, bytes: Buffer): Buffer {
  const pieces: Buffer[] = [encodeInstruction('clipboard', stream, 'text/plain')]
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(encodeInstruction('blob', stream, bytes.subarray(at, at + pieceBytes).toString('base64')))
  pieces.push(encodeInstruction('end', stream))
  return Buffer.concat(pieces)
}

/** How often something may be done. */
class Pace {
  readonly #now: () => number
  #left = burst
  #at: number

  constructor(now: () => number) {
    this.#now = now
    this.#at = now()
  }

  /** Milliseconds until it may be done again. */
  wait(): number {
    this.#refill()
    return this.#left >= 1 ? 0 : Math.ceil((1 - this.#left) * everyMs)
  }

  take(): boolean {
    this.#refill()
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }

  #refill(): void {
    const now = this.#now()
    this.#left = Math.min(burst, this.#left + (now - this.#at) / everyMs)
    this.#at = now
  }
}
