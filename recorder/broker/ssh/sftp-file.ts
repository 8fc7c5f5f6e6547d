import type { AuditedFile, TapPorts } from './file-tap.ts'
import { printable } from '../../../vault/ssh/sentence.ts'
import { type HeldBytes, Transfer } from './transfer.ts'

/** The longest name that a request may carry, in bytes: what Linux takes as a path. */
export const longestName = 4_096

/** A file that the target opened for the user, from the answer to `open` until all about it is answered. */
export class OpenFile {
  readonly name: string
  readonly up: Transfer
  readonly down: Transfer
  readonly #mayWrite: boolean
  /** Size as the target told it. */
  size: number | undefined
  hasEnded = false
  /** Something about it did not come to pass, or its content changed in a way that no digest covers. */
  hasFailed = false
  /** Reads and writes that the target has not answered to the end. */
  waiting = 0
  /** What the target said to `close`; undefined before. */
  closed: 'well' | 'badly' | undefined

  constructor(name: string, mayWrite: boolean, size: number | undefined, held: HeldBytes) {
    this.name = name
    this.#mayWrite = mayWrite
    this.size = size
    this.up = new Transfer(held)
    this.down = new Transfer(held)
  }

  /** True when nothing of it can pass any more. */
  get isOver(): boolean {
    return this.closed !== undefined && this.waiting === 0
  }

  /** Tells the recording and the vault what the file carried. */
  report(ports: TapPorts): void {
    const { up, down } = this
    const isRead = this.hasEnded || (this.size !== undefined && down.size === this.size)
    if (up.size > 0 || (this.#mayWrite && down.size === 0))
      this.#tell(ports, 'upload', up, this.closed === 'well')
    if (down.size > 0 || (this.hasEnded && !this.#mayWrite)) this.#tell(ports, 'download', down, isRead)
  }

  #tell(ports: TapPorts, direction: AuditedFile['direction'], transfer: Transfer, isWhole: boolean): void {
    const name = printable(this.name)
    const { size, sha256, isSequential } = transfer.result()
    const complete = isWhole && isSequential && !this.hasFailed
    const audited: AuditedFile = { name, direction, via: 'sftp', size, sha256, complete }
    ports.mark({ kind: 'file', ...audited })
    ports.file(audited)
    if (isSequential) return
    ports.mark({
      kind: 'policy',
      event: 'not sequential',
      detail: `${name}: the digest is of what passed`,
    })
  }
}
