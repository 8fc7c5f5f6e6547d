import type { AuditedFile, Tap, TapPorts } from './file-tap.ts'
import {
  permissionDenied,
  SftpFields,
  SftpPackets,
  SftpViolation,
  sftpType,
  type Verdict,
} from './sftp-packets.ts'
import { printable } from './sentence.ts'
import { Transfer } from './transfer.ts'

const openFlags = { read: 1, write: 2, append: 4, create: 8, truncate: 16 }
const statusOk = 0
const statusEof = 1
const mostRequests = 16_384
const mostHandles = 1_024
const mostSizes = 256
const longestName = 4_096

/** Extensions that change nothing. Every other one needs permission to write. */
const readingExtensions = [
  'statvfs@openssh.com',
  'fstatvfs@openssh.com',
  'limits@openssh.com',
  'expand-path@openssh.com',
  'home-directory',
  'users-groups-by-id@openssh.com',
  'check-file',
  'check-file-name',
  'check-file-handle',
  'md5-hash',
  'space-available',
]

type OpenFile = {
  readonly name: string
  readonly up: Transfer
  readonly down: Transfer
  readonly mayWrite: boolean
  hasEnded: boolean
  hasFailed: boolean
  /** Size as the target told it. */
  size: number | undefined
}
type Pending =
  | { readonly kind: 'open'; readonly name: string; readonly mayWrite: boolean }
  | { readonly kind: 'read'; readonly file: OpenFile; readonly offset: number }
  | { readonly kind: 'write'; readonly file: OpenFile }
  | { readonly kind: 'close'; readonly file: OpenFile }
  | { readonly kind: 'stat'; readonly name: string }
  | { readonly kind: 'fstat'; readonly file: OpenFile }
  | { readonly kind: 'change'; readonly line: string }

/**
 * Watches an SFTP channel: hashes what files carry, writes down what changes, and refuses what the grant does not
 * allow. Requests and answers pass unchanged otherwise, also pipelined ones.
 */
export class SftpAudit implements Tap {
  readonly #ports: TapPorts
  readonly #fromUser: SftpPackets
  readonly #fromTarget: SftpPackets
  readonly #pending = new Map<number, Pending>()
  readonly #files = new Map<string, OpenFile>()
  /** Sizes by name, the last few: clients ask before they open. */
  readonly #sizes = new Map<string, number>()
  #answers: Uint8Array[] = []
  #write: (bytes: Uint8Array) => void = () => undefined

  constructor(ports: TapPorts) {
    this.#ports = ports
    this.#fromUser = new SftpPackets((head) => this.#request(head))
    this.#fromTarget = new SftpPackets((head) => this.#answer(head))
  }

  fromUser(bytes: Buffer) {
    const pass = this.#fromUser.take(bytes)
    this.#giveAnswers()
    return { accepted: undefined, pass }
  }

  fromTarget(bytes: Buffer) {
    const pass = this.#fromTarget.take(bytes)
    // Our own answers go between two of the target's packets.
    if (this.#fromTarget.isAtBoundary && this.#answers.length > 0) {
      pass.push(...this.#answers)
      this.#answers = []
    }
    return { accepted: undefined, pass }
  }

  answerUser(write: (bytes: Uint8Array) => void): void {
    this.#write = write
  }

  finish(): void {
    for (const file of this.#files.values()) this.#report(file, false)
    this.#files.clear()
  }

  #giveAnswers(): void {
    if (!this.#fromTarget.isAtBoundary) return
    const answers = this.#answers
    this.#answers = []
    for (const answer of answers) this.#write(answer)
  }

  #request(head: Buffer): Verdict {
    const fields = new SftpFields(head)
    const { type } = fields
    if (type === sftpType.init) {
      // Version 3 is what is understood here; the target follows the lower of both.
      if (fields.uint32() > 3) head.writeUInt32BE(3, 5)
      return { kind: 'pass' }
    }
    const id = fields.uint32()
    if (this.#pending.size >= mostRequests)
      throw new SftpViolation('too many SFTP requests wait for an answer')
    switch (type) {
      case sftpType.open:
        return this.#open(id, fields)
      case sftpType.read: {
        const file = this.#files.get(fields.string().toString('hex'))
        if (file !== undefined) this.#pending.set(id, { kind: 'read', file, offset: fields.uint64() })
        return { kind: 'pass' }
      }
      case sftpType.write:
        return this.#writing(id, fields)
      case sftpType.close: {
        const handle = fields.string().toString('hex')
        const file = this.#files.get(handle)
        if (file !== undefined) {
          this.#files.delete(handle)
          this.#pending.set(id, { kind: 'close', file })
        }
        return { kind: 'pass' }
      }
      case sftpType.stat:
      case sftpType.lstat:
        this.#pending.set(id, { kind: 'stat', name: fields.text() })
        return { kind: 'pass' }
      case sftpType.fstat: {
        const file = this.#files.get(fields.string().toString('hex'))
        if (file !== undefined) this.#pending.set(id, { kind: 'fstat', file })
        return { kind: 'pass' }
      }
      case sftpType.opendir:
      case sftpType.readdir:
      case sftpType.realpath:
      case sftpType.readlink:
        return { kind: 'pass' }
      case sftpType.remove:
        return this.#change(id, `remove ${fields.text()}`)
      case sftpType.mkdir:
        return this.#change(id, `mkdir ${fields.text()}`)
      case sftpType.rmdir:
        return this.#change(id, `rmdir ${fields.text()}`)
      case sftpType.rename:
        return this.#change(id, `rename ${fields.text()} ${fields.text()}`)
      case sftpType.symlink:
        return this.#change(id, `symlink ${fields.text()} ${fields.text()}`)
      case sftpType.setstat:
        return this.#change(id, `setstat ${fields.text()}`)
      case sftpType.fsetstat:
        return this.#ports.mayWrite ? { kind: 'pass' } : this.#deny(id, 'setstat')
      case sftpType.extended: {
        const name = fields.text()
        if (readingExtensions.includes(name)) return { kind: 'pass' }
        if (name === 'fsync@openssh.com') return { kind: 'pass' }
        const isOfNames = /^(posix-rename|hardlink|lsetstat)@openssh\.com$/.test(name)
        return this.#change(id, isOfNames ? `${name.split('@')[0]} ${fields.text()}` : name)
      }
      default:
        // SECURITY: what is not understood is not let through: it could carry content that nobody hashes.
        throw new SftpViolation(`an SFTP request of type ${type} is unknown`)
    }
  }

  #open(id: number, fields: SftpFields): Verdict {
    const name = fields.text()
    const flags = fields.uint32()
    const writes =
      (flags & (openFlags.write | openFlags.append | openFlags.create | openFlags.truncate)) !== 0
    const reads = (flags & openFlags.read) !== 0
    if (writes && !this.#ports.mayWrite) return this.#deny(id, `open ${name} for writing`)
    if (reads && !this.#ports.mayRead) return this.#deny(id, `open ${name} for reading`)
    this.#pending.set(id, { kind: 'open', name, mayWrite: writes })
    return { kind: 'pass' }
  }

  #writing(id: number, fields: SftpFields): Verdict {
    const file = this.#files.get(fields.string().toString('hex'))
    const offset = fields.uint64()
    if (!this.#ports.mayWrite) return this.#deny(id, 'write')
    if (file === undefined) return this.#deny(id, 'write to a file that is not open')
    this.#pending.set(id, { kind: 'write', file })
    let at = offset
    return {
      kind: 'pass',
      onContent: (bytes) => {
        file.up.add(at, bytes)
        at += bytes.length
      },
    }
  }

  #change(id: number, line: string): Verdict {
    if (!this.#ports.mayWrite) return this.#deny(id, line)
    this.#pending.set(id, { kind: 'change', line: printable(line).slice(0, 2 * longestName) })
    return { kind: 'pass' }
  }

  #deny(id: number, what: string): Verdict {
    this.#ports.refused(printable(`sftp: ${what}`).slice(0, 500))
    this.#answers.push(permissionDenied(id, 'your grant does not allow this: ask for it'))
    return { kind: 'drop' }
  }

  #answer(head: Buffer): Verdict {
    const fields = new SftpFields(head)
    const { type } = fields
    if (type === sftpType.version) return { kind: 'pass' }
    const id = fields.uint32()
    const pending = this.#pending.get(id)
    if (pending === undefined) return { kind: 'pass' }
    this.#pending.delete(id)
    switch (pending.kind) {
      case 'open':
        if (type === sftpType.handle) this.#opened(pending, fields.string().toString('hex'))
        return { kind: 'pass' }
      case 'read':
        return this.#readAnswer(pending, type, fields)
      case 'write':
        if (type !== sftpType.status || fields.uint32() !== statusOk) pending.file.hasFailed = true
        return { kind: 'pass' }
      case 'close':
        this.#report(pending.file, type === sftpType.status && fields.uint32() === statusOk)
        return { kind: 'pass' }
      case 'stat':
      case 'fstat': {
        const size = type === sftpType.attrs && (fields.uint32() & 1) !== 0 ? fields.uint64() : undefined
        if (size === undefined) return { kind: 'pass' }
        if (pending.kind === 'fstat') pending.file.size = size
        else this.#remember(pending.name, size)
        return { kind: 'pass' }
      }
      case 'change':
        if (type === sftpType.status && fields.uint32() === statusOk)
          this.#ports.mark({ kind: 'command', line: `sftp ${pending.line}` })
        return { kind: 'pass' }
    }
  }

  #readAnswer(pending: Extract<Pending, { kind: 'read' }>, type: number, fields: SftpFields): Verdict {
    const { file } = pending
    if (type === sftpType.status) {
      if (fields.uint32() !== statusEof) file.hasFailed = true
      else if (pending.offset === file.down.next) file.hasEnded = true
      return { kind: 'pass' }
    }
    if (type !== sftpType.data) return { kind: 'pass' }
    let at = pending.offset
    return {
      kind: 'pass',
      onContent: (bytes) => {
        file.down.add(at, bytes)
        at += bytes.length
      },
    }
  }

  #opened({ name, mayWrite }: Extract<Pending, { kind: 'open' }>, handle: string): void {
    if (this.#files.size >= mostHandles) throw new SftpViolation('too many files are open')
    const size = this.#sizes.get(name)
    this.#files.set(handle, {
      name,
      mayWrite,
      up: new Transfer(),
      down: new Transfer(),
      hasEnded: false,
      hasFailed: false,
      size,
    })
  }

  #remember(name: string, size: number): void {
    const oldest = this.#sizes.keys().next().value
    if (this.#sizes.size >= mostSizes && oldest !== undefined) this.#sizes.delete(oldest)
    this.#sizes.set(name, size)
  }

  #report(file: OpenFile, isClosed: boolean): void {
    const name = printable(file.name).slice(0, longestName)
    const tell = (direction: AuditedFile['direction'], transfer: Transfer, isWhole: boolean) => {
      const { size, sha256, isSequential } = transfer.result()
      const complete = isWhole && isSequential && !file.hasFailed
      const audited: AuditedFile = { name, direction, via: 'sftp', size, sha256, complete }
      this.#ports.mark({ kind: 'file', ...audited })
      this.#ports.file(audited)
      if (!isSequential)
        this.#ports.mark({
          kind: 'policy',
          event: 'not sequential',
          detail: `${name}: the digest is of what passed`,
        })
    }
    const { up, down } = file
    if (up.size > 0 || (file.mayWrite && down.size === 0)) tell('upload', up, isClosed)
    const isRead = file.hasEnded || (file.size !== undefined && down.size === file.size)
    if (down.size > 0 || (file.hasEnded && !file.mayWrite)) tell('download', down, isRead)
  }
}
