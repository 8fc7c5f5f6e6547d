import { type Hash, createHash } from 'node:crypto'
import { basename, dirname } from 'node:path/posix'
import type { AuditedFile, Tap, TapPorts } from './file-tap.ts'
import type { Step } from './relay.ts'
import type { ScpCommand } from './scp-command.ts'
import { printable } from '../../../vault/ssh/sentence.ts'

const longestLine = 8_192
const deepest = 256
/** How much of each file is recorded beside its digest. */
const recordedOfEach = 64 * 1024

type State =
  | { readonly kind: 'control'; line: number[] }
  | {
      readonly kind: 'content'
      readonly name: string
      readonly size: number
      left: number
      readonly hash: Hash
    }
  | { readonly kind: 'trailer'; readonly file: AuditedFile }
  | { readonly kind: 'message'; line: number }
  /** Not the protocol of scp: from here on the stream is recorded like any other. */
  | { readonly kind: 'lost' }

/**
 * Watches a channel that runs scp's own protocol: files are hashed by name and size, their beginnings and everything
 * else are recorded.
 *
 * SECURITY: the target says what is content, and what answers may be no scp at all but a shell. So content counts as
 * such only where the other side asked for it and says nothing but the single NULs of the protocol; from its first
 * other word on both directions are recorded whole, as a command's would be.
 */
export class ScpAudit implements Tap {
  readonly #command: ScpCommand
  readonly #ports: TapPorts
  readonly #folders: string[] = []
  #state: State = { kind: 'control', line: [] }
  #isWhole = false
  /** True while it is the receiver's turn: at the beginning, and after each line and each file. */
  #isAwaited = true
  /** Length of the message that the receiver is in the middle of. */
  #message: number | undefined
  /** Takes back what the receiver has not said yes to yet. */
  #refuse: (() => void) | undefined

  constructor(command: ScpCommand, ports: TapPorts) {
    this.#command = command
    this.#ports = ports
  }

  fromUser(bytes: Buffer): Step {
    return this.#step('input', this.#command.direction === 'upload', bytes)
  }

  fromTarget(bytes: Buffer): Step {
    return this.#step('output', this.#command.direction === 'download', bytes)
  }

  answerUser(): void {
    // scp is never answered by the gateway: what may not be copied was refused before it began.
  }

  finish(): void {
    const state = this.#state
    this.#state = { kind: 'lost' }
    this.#isWhole = true
    if (state.kind === 'content')
      this.#tell(this.#fileOf(state.name, state.size - state.left, state.hash, false))
    else if (state.kind === 'trailer') this.#tell({ ...state.file, complete: false })
  }

  #step(kind: 'input' | 'output', isSender: boolean, bytes: Buffer): Step {
    if (isSender) return { accepted: this.#fromSender(kind, bytes), pass: [bytes] }
    for (const byte of bytes) this.#fromReceiver(byte)
    return { accepted: this.#ports.record(kind, bytes), pass: [bytes] }
  }

  /** Records all but the later part of contents, and hashes contents. */
  #fromSender(kind: 'input' | 'output', bytes: Buffer): Promise<void> | undefined {
    const waits: Promise<void>[] = []
    let from = 0
    let at = 0
    const record = (until: number) => {
      const wait = until > from ? this.#ports.record(kind, bytes.subarray(from, until)) : undefined
      if (wait !== undefined) waits.push(wait)
    }
    while (at < bytes.length) {
      const state = this.#state
      if (state.kind === 'lost') break
      if (state.kind !== 'content') {
        this.#control(bytes[at++] ?? 0)
        continue
      }
      if (this.#isAwaited) this.#recordWhole('content came before it was asked for')
      const content = bytes.subarray(at, at + state.left)
      this.#ports.room.take(content.length)
      const recorded = this.#isWhole ? content.length : recordedOfEach - (state.size - state.left)
      if (recorded < content.length) {
        record(at + Math.max(0, recorded))
        from = at + content.length
      }
      state.hash.update(content)
      state.left -= content.length
      at += content.length
      if (state.left === 0)
        this.#state = { kind: 'trailer', file: this.#fileOf(state.name, state.size, state.hash, true) }
    }
    record(bytes.length)
    return waits.length > 1 ? Promise.all(waits).then(() => undefined) : waits[0]
  }

  /** The receiver says NUL where it is its turn, or a message that begins with 1 or 2 and ends with its line. */
  #fromReceiver(byte: number): void {
    if (this.#state.kind === 'lost') return
    if (this.#message !== undefined) {
      this.#message = byte === 10 ? undefined : this.#message + 1
      if ((this.#message ?? 0) > longestLine) this.#lose('the receiver does not speak scp')
    } else if (byte === 0) {
      if (!this.#isAwaited) this.#recordWhole('the receiver answers what was not sent')
      this.#isAwaited = false
      this.#refuse = undefined
    } else if (byte === 1 || byte === 2) {
      this.#recordWhole('the receiver sent a message')
      this.#message = 0
      this.#isAwaited = false
      this.#refuse?.()
      this.#refuse = undefined
    } else this.#lose('the receiver does not speak scp')
  }

  #recordWhole(why: string): void {
    if (this.#isWhole) return
    this.#isWhole = true
    this.#ports.mark({ kind: 'policy', event: 'recorded whole', detail: `scp: ${why}` })
  }

  #lose(why: string): void {
    this.#recordWhole(why)
    this.finish()
  }

  #control(byte: number): void {
    const state = this.#state
    if (state.kind === 'trailer') {
      if (this.#isAwaited) this.#recordWhole('a file ended before it was asked for')
      this.#isAwaited = true
      this.#refuse = undefined
      this.#tell({ ...state.file, complete: byte === 0 })
      this.#state = byte === 0 ? { kind: 'control', line: [] } : { kind: 'message', line: 0 }
    } else if (state.kind === 'message') {
      state.line += 1
      if (byte === 10) this.#state = { kind: 'control', line: [] }
      else if (state.line > longestLine) this.#lose('the sender does not speak scp')
    } else if (state.kind === 'control') {
      if (state.line.length === 0 && (byte === 1 || byte === 2)) this.#state = { kind: 'message', line: 0 }
      else if (state.line.length === 0 && byte === 0) return
      else if (byte !== 10) {
        state.line.push(byte)
        if (state.line.length > longestLine) this.#lose('the sender does not speak scp')
      } else {
        if (this.#isAwaited) this.#recordWhole('a line came before it was asked for')
        this.#isAwaited = true
        this.#refuse = undefined
        const next = this.#line(Buffer.from(state.line).toString('utf8'))
        if (next === undefined) this.#lose('the sender does not speak scp')
        else this.#state = next
      }
    }
  }

  /** What follows a line of the sender; undefined where it is none of the protocol. */
  #line(line: string): State | undefined {
    const again: State = { kind: 'control', line: [] }
    if (/^T\d+ \d+ \d+ \d+$/.test(line)) return again
    if (line === 'E') {
      this.#folders.pop()
      return again
    }
    const match = /^([CD])[0-7]{4,5} (\d{1,15}) ([^/]+)$/.exec(line)
    const name = match?.[3]
    if (name === undefined || name === '.' || name === '..') return undefined
    if (match?.[1] === 'D') {
      if (this.#folders.length >= deepest) return undefined
      this.#folders.push(name)
      this.#refuse = () => void this.#folders.pop()
      return again
    }
    const size = Number(match?.[2])
    // Said before it begins, where it could not come to its end.
    this.#ports.room.expect(size)
    const hash = createHash('sha256')
    const full = this.#fullName(name)
    // A file that the receiver does not want is left out: the next line follows.
    this.#refuse = () => {
      if (this.#state.kind === 'trailer' || (this.#state.kind === 'content' && this.#state.left === size))
        this.#state = again
    }
    if (size === 0) return { kind: 'trailer', file: this.#fileOf(full, 0, hash, true) }
    return { kind: 'content', name: full, size, left: size, hash }
  }

  #fullName(name: string): string {
    const { path } = this.#command
    const inner = [...this.#folders, name]
    const whole = basename(path) === inner[0] ? [dirname(path), ...inner] : [path, ...inner]
    return whole
      .join('/')
      .replaceAll(/\/{2,}/g, '/')
      .replace(/^\.\//, '')
  }

  #fileOf(name: string, size: number, hash: Hash, complete: boolean): AuditedFile {
    return {
      name: printable(name).slice(0, 4_096),
      direction: this.#command.direction,
      via: 'scp',
      size,
      sha256: hash.digest('hex'),
      complete,
    }
  }

  #tell(file: AuditedFile): void {
    this.#ports.mark({ kind: 'file', ...file })
    this.#ports.file(file)
  }
}
