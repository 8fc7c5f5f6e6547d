import { type Hash, createHash } from 'node:crypto'
import { basename, dirname } from 'node:path/posix'
import type { AuditedFile, Tap, TapPorts } from './file-tap.ts'
import type { Step } from './relay.ts'
import type { ScpCommand } from './scp-command.ts'
import { printable } from './sentence.ts'

const longestLine = 8_192
const deepest = 256

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
 * Watches a channel that runs scp's own protocol: files are hashed by name and size, everything else is recorded.
 * A stream that is not that protocol is recorded whole, as a command's would be.
 */
export class ScpAudit implements Tap {
  readonly #command: ScpCommand
  readonly #ports: TapPorts
  readonly #folders: string[] = []
  #state: State = { kind: 'control', line: [] }

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
    if (state.kind === 'content')
      this.#tell(this.#fileOf(state.name, state.size - state.left, state.hash, false))
    else if (state.kind === 'trailer') this.#tell({ ...state.file, complete: false })
  }

  #step(kind: 'input' | 'output', isSender: boolean, bytes: Buffer): Step {
    if (!isSender) return { accepted: this.#ports.record(kind, bytes), pass: [bytes] }
    let waits: Promise<void> | undefined
    let at = 0
    while (at < bytes.length) {
      const state = this.#state
      if (state.kind === 'content') {
        const content = bytes.subarray(at, at + state.left)
        state.hash.update(content)
        state.left -= content.length
        at += content.length
        if (state.left === 0)
          this.#state = { kind: 'trailer', file: this.#fileOf(state.name, state.size, state.hash, true) }
        continue
      }
      // Control is short: it is recorded as it is, up to where the next content begins.
      const from = at
      while (at < bytes.length && this.#state.kind !== 'content') {
        if (this.#state.kind === 'lost') at = bytes.length
        else this.#control(bytes[at++] ?? 0)
      }
      waits = this.#ports.record(kind, bytes.subarray(from, at)) ?? waits
    }
    return { accepted: waits, pass: [bytes] }
  }

  #control(byte: number): void {
    const state = this.#state
    if (state.kind === 'trailer') {
      this.#tell({ ...state.file, complete: byte === 0 })
      this.#state = byte === 0 ? { kind: 'control', line: [] } : { kind: 'message', line: 0 }
    } else if (state.kind === 'message') {
      state.line += 1
      if (byte === 10) this.#state = { kind: 'control', line: [] }
      else if (state.line > longestLine) this.#state = { kind: 'lost' }
    } else if (state.kind === 'control') {
      if (state.line.length === 0 && (byte === 1 || byte === 2)) this.#state = { kind: 'message', line: 0 }
      else if (state.line.length === 0 && byte === 0) return
      else if (byte !== 10) {
        state.line.push(byte)
        if (state.line.length > longestLine) this.#state = { kind: 'lost' }
      } else this.#state = this.#line(Buffer.from(state.line).toString('utf8'))
    }
  }

  #line(line: string): State {
    const again: State = { kind: 'control', line: [] }
    if (/^T\d+ \d+ \d+ \d+$/.test(line)) return again
    if (line === 'E') {
      this.#folders.pop()
      return again
    }
    const match = /^([CD])[0-7]{4,5} (\d{1,15}) ([^/]+)$/.exec(line)
    const name = match?.[3]
    if (name === undefined || name === '.' || name === '..') return { kind: 'lost' }
    if (match?.[1] === 'D') {
      if (this.#folders.length >= deepest) return { kind: 'lost' }
      this.#folders.push(name)
      return again
    }
    const size = Number(match?.[2])
    const hash = createHash('sha256')
    const full = this.#fullName(name)
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
