import type { Tap, TapPorts } from './file-tap.ts'
import { longestName, OpenFile } from './sftp-file.ts'
import {
  permissionDenied,
  SftpFields,
  SftpPackets,
  SftpViolation,
  sftpType,
  type Verdict,
} from './sftp-packets.ts'
import { printable } from '../../../vault/ssh/sentence.ts'
import { HeldBytes } from './transfer.ts'

const openFlags = { read: 1, write: 2, append: 4, create: 8, truncate: 16 }
const hasSize = 1
const statusOk = 0
const statusEof = 1
const mostRequests = 16_384
/** What the names in requests without an answer may take, and what a request without a name takes. */
const mostPendingBytes = 4 * 1024 * 1024
const pendingCost = 128
const mostHandles = 1_024
/** Bytes of a handle (draft-ietf-secsh-filexfer-02, section 6). */
const longestHandle = 256
const mostSizes = 256

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
  'fsync@openssh.com',
]

type Pending =
  | { readonly kind: 'open'; readonly name: string; readonly mayWrite: boolean }
  | { readonly kind: 'opendir' }
  | { readonly kind: 'read'; readonly file: OpenFile; readonly offset: number }
  | { readonly kind: 'write'; readonly file: OpenFile }
  | { readonly kind: 'close'; readonly file: OpenFile | undefined }
  | { readonly kind: 'stat'; readonly name: string }
  | { readonly kind: 'fstat'; readonly file: OpenFile | undefined }
  | { readonly kind: 'names' | 'extended' }
  | { readonly kind: 'change'; readonly line: string; readonly file?: OpenFile; readonly isExtended: boolean }

/** What answers a request, beside `status`. Content travels in `data` alone, and only to who asked for it. */
const answersOf: Readonly<Record<Pending['kind'], readonly number[]>> = {
  open: [sftpType.handle],
  opendir: [sftpType.handle],
  read: [sftpType.data],
  write: [],
  close: [],
  stat: [sftpType.attrs],
  fstat: [sftpType.attrs],
  names: [sftpType.name],
  extended: [sftpType.extendedReply, sftpType.name, sftpType.attrs],
  change: [],
}

/**
 * Watches an SFTP channel: hashes what files carry, writes down what changes, and refuses what the grant does not
 * allow. Requests and answers pass unchanged otherwise, also pipelined ones.
 *
 * SECURITY: both ends may be hostile, even together. A request passes only with a number that no other one waits with
 * and on a handle that the target gave; an answer passes only to a request that waits for one of its kind. So nothing
 * is read or written that is not put to a file.
 */
export class SftpAudit implements Tap {
  readonly #ports: TapPorts
  readonly #fromUser: SftpPackets
  readonly #fromTarget: SftpPackets
  readonly #pending = new Map<number, { readonly request: Pending; readonly cost: number }>()
  #pendingBytes = 0
  readonly #files = new Map<string, OpenFile>()
  readonly #folders = new Set<string>()
  /** Files whose `close` has passed. */
  readonly #closing = new Set<OpenFile>()
  readonly #held = new HeldBytes()
  /** Sizes by name, the last few: clients ask before they open. */
  readonly #sizes = new Map<string, number>()
  #greeting: 'none' | 'asked' | 'answered' = 'none'
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
    for (const file of [...this.#files.values(), ...this.#closing]) file.report(this.#ports)
    this.#files.clear()
    this.#closing.clear()
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
      if (this.#greeting !== 'none') throw new SftpViolation('SFTP begins twice')
      this.#greeting = 'asked'
      // Version 3 is what is understood here; the target follows the lower of both.
      if (fields.uint32() > 3) head.writeUInt32BE(3, 5)
      return { kind: 'pass' }
    }
    if (this.#greeting === 'none') throw new SftpViolation('an SFTP request came before SFTP began')
    const id = fields.uint32()
    if (this.#pending.has(id)) throw new SftpViolation('two SFTP requests have one number')
    switch (type) {
      case sftpType.open:
        return this.#open(id, fields)
      case sftpType.opendir:
        return this.#named(id, fields, () => ({ kind: 'opendir' }))
      case sftpType.stat:
      case sftpType.lstat:
        return this.#named(id, fields, (name) => ({ kind: 'stat', name }))
      case sftpType.realpath:
      case sftpType.readlink:
        return this.#named(id, fields, () => ({ kind: 'names' }))
      case sftpType.read:
        return this.#reading(id, fields)
      case sftpType.write:
        return this.#writing(id, fields)
      case sftpType.close:
        return this.#close(id, fields)
      case sftpType.fstat: {
        const handle = handleOf(fields)
        if (!this.#isKnown(handle)) return this.#denyHandle(id, 'fstat')
        return this.#pass(id, { kind: 'fstat', file: this.#files.get(handle) })
      }
      case sftpType.readdir:
        if (!this.#isKnown(handleOf(fields))) return this.#denyHandle(id, 'readdir')
        return this.#pass(id, { kind: 'names' })
      case sftpType.remove:
        return this.#change(id, 'remove', fields, 1)
      case sftpType.mkdir:
        return this.#change(id, 'mkdir', fields, 1)
      case sftpType.rmdir:
        return this.#change(id, 'rmdir', fields, 1)
      case sftpType.rename:
        return this.#change(id, 'rename', fields, 2)
      case sftpType.symlink:
        return this.#change(id, 'symlink', fields, 2)
      case sftpType.setstat:
        return this.#change(id, 'setstat', fields, 1)
      case sftpType.fsetstat:
        return this.#changeOfHandle(id, fields)
      case sftpType.extended:
        return this.#extended(id, fields)
      default:
        // SECURITY: what is not understood is not let through: it could carry content that nobody hashes.
        throw new SftpViolation(`an SFTP request of type ${type} is unknown`)
    }
  }

  #open(id: number, fields: SftpFields): Verdict {
    const bytes = fields.string()
    if (bytes.length > longestName) return this.#denyName(id)
    const name = bytes.toString('utf8')
    const flags = fields.uint32()
    const writes =
      (flags & (openFlags.write | openFlags.append | openFlags.create | openFlags.truncate)) !== 0
    // SECURITY: servers open for reading whatever is not opened for writing, also without the flag to read.
    const reads = (flags & openFlags.read) !== 0 || (flags & openFlags.write) === 0
    if (writes && !this.#ports.mayWrite) return this.#deny(id, `open ${name} for writing`)
    if (reads && !this.#ports.mayRead) return this.#deny(id, `open ${name} for reading`)
    return this.#pass(id, { kind: 'open', name, mayWrite: writes }, bytes.length)
  }

  #reading(id: number, fields: SftpFields): Verdict {
    const file = this.#files.get(handleOf(fields))
    if (!this.#ports.mayRead) return this.#deny(id, 'read')
    if (file === undefined) return this.#denyHandle(id, 'read')
    file.waiting += 1
    return this.#pass(id, { kind: 'read', file, offset: fields.uint64() })
  }

  #writing(id: number, fields: SftpFields): Verdict {
    const file = this.#files.get(handleOf(fields))
    let at = fields.uint64()
    const length = fields.contentLength()
    if (!this.#ports.mayWrite) return this.#deny(id, 'write')
    if (file === undefined) return this.#denyHandle(id, 'write')
    this.#ports.room.take(length)
    file.waiting += 1
    const onContent = (bytes: Uint8Array) => {
      file.up.add(at, bytes)
      at += bytes.length
    }
    return { ...this.#pass(id, { kind: 'write', file }), onContent }
  }

  #close(id: number, fields: SftpFields): Verdict {
    const handle = handleOf(fields)
    if (!this.#isKnown(handle)) return this.#denyHandle(id, 'close')
    const file = this.#files.get(handle)
    this.#files.delete(handle)
    this.#folders.delete(handle)
    if (file !== undefined) this.#closing.add(file)
    return this.#pass(id, { kind: 'close', file }, file?.name.length)
  }

  #named(id: number, fields: SftpFields, make: (name: string) => Pending): Verdict {
    const name = fields.string()
    if (name.length > longestName) return this.#denyName(id)
    return this.#pass(id, make(name.toString('utf8')), name.length)
  }

  #change(id: number, what: string, fields: SftpFields, names: 1 | 2, isExtended = false): Verdict {
    const texts = Array.from({ length: names }, () => fields.string())
    if (texts.some((bytes) => bytes.length > longestName)) return this.#denyName(id)
    const size = /setstat$/.test(what) ? sizeSet(fields) : undefined
    const line = [what, ...texts.map((bytes) => bytes.toString('utf8')), ...sizeWords(size)].join(' ')
    return this.#changing(id, line, isExtended)
  }

  #changeOfHandle(id: number, fields: SftpFields): Verdict {
    const handle = handleOf(fields)
    const file = this.#files.get(handle)
    if (!this.#ports.mayWrite) return this.#deny(id, 'fsetstat')
    if (!this.#isKnown(handle)) return this.#denyHandle(id, 'fsetstat')
    const size = sizeSet(fields)
    const line = ['fsetstat', file?.name ?? 'a folder', ...sizeWords(size)].join(' ')
    // Where a file is cut or filled up, the digest of what was sent is not its content's.
    const isOther = file !== undefined && size !== undefined && size !== file.up.size
    return this.#changing(id, line, false, isOther ? file : undefined)
  }

  #extended(id: number, fields: SftpFields): Verdict {
    const name = fields.string().subarray(0, longestHandle).toString('utf8')
    if (readingExtensions.includes(name)) return this.#pass(id, { kind: 'extended' })
    switch (name) {
      case 'version-select':
        // SECURITY: another version puts other things into the same fields.
        return this.#deny(id, name)
      case 'posix-rename@openssh.com':
      case 'hardlink@openssh.com':
        return this.#change(id, name.replace('@openssh.com', ''), fields, 2, true)
      case 'lsetstat@openssh.com':
        return this.#change(id, 'lsetstat', fields, 1, true)
      case 'copy-data': {
        const from = this.#files.get(handleOf(fields))
        fields.uint64()
        fields.uint64()
        const to = this.#files.get(handleOf(fields))
        if (from === undefined || to === undefined) return this.#denyHandle(id, name)
        return this.#changing(id, `copy-data ${from.name} ${to.name}`, true, to)
      }
      default:
        return this.#changing(id, name, true)
    }
  }

  #changing(id: number, text: string, isExtended: boolean, file?: OpenFile): Verdict {
    const line = printable(text)
    if (!this.#ports.mayWrite) return this.#deny(id, line)
    return this.#pass(
      id,
      { kind: 'change', line, isExtended, ...(file === undefined ? {} : { file }) },
      line.length,
    )
  }

  #isKnown(handle: string): boolean {
    return this.#files.has(handle) || this.#folders.has(handle)
  }

  /** Lets a request through that from now on waits for its answer. */
  #pass(id: number, request: Pending, names = 0): Verdict {
    const cost = pendingCost + 2 * names
    this.#pendingBytes += cost
    if (this.#pending.size >= mostRequests || this.#pendingBytes > mostPendingBytes)
      throw new SftpViolation('too many SFTP requests wait for an answer')
    this.#pending.set(id, { request, cost })
    return { kind: 'pass' }
  }

  #denyHandle(id: number, what: string): Verdict {
    return this.#deny(id, `${what} on a handle that is not open`)
  }

  #denyName(id: number): Verdict {
    return this.#deny(id, `a name of more than ${longestName} bytes`)
  }

  #deny(id: number, what: string): Verdict {
    if (this.#answers.length >= mostRequests) throw new SftpViolation('too many SFTP requests are refused')
    this.#ports.refused(printable(`sftp: ${what.slice(0, 500)}`).slice(0, 500))
    this.#answers.push(permissionDenied(id, 'your grant does not allow this: ask for it'))
    return { kind: 'drop' }
  }

  #answer(head: Buffer): Verdict {
    const fields = new SftpFields(head)
    const { type } = fields
    if (type === sftpType.version) {
      if (this.#greeting !== 'asked') throw new SftpViolation('the target begins SFTP unasked')
      if (fields.uint32() > 3) throw new SftpViolation('the target speaks another version of SFTP')
      this.#greeting = 'answered'
      return { kind: 'pass' }
    }
    const id = fields.uint32()
    const entry = this.#pending.get(id)
    if (entry === undefined) throw new SftpViolation('the target answers what was not asked')
    const { request, cost } = entry
    this.#pending.delete(id)
    this.#pendingBytes -= cost
    const isOfKind =
      answersOf[request.kind].includes(type) ||
      (request.kind === 'change' && request.isExtended && answersOf.extended.includes(type))
    if (type !== sftpType.status && !isOfKind)
      throw new SftpViolation('the target answers something else than was asked')
    const status = type === sftpType.status ? fields.uint32() : undefined
    switch (request.kind) {
      case 'open':
        if (status === undefined) this.#opened(request, this.#newHandle(fields))
        break
      case 'opendir':
        if (status === undefined) this.#folders.add(this.#newHandle(fields))
        break
      case 'read':
        return this.#readAnswer(request, status, fields)
      case 'write':
        if (status !== statusOk) request.file.hasFailed = true
        this.#answered(request.file)
        break
      case 'close':
        if (request.file === undefined) break
        request.file.closed = status === statusOk ? 'well' : 'badly'
        this.#reportWhenOver(request.file)
        break
      case 'stat':
      case 'fstat': {
        const size = status === undefined ? sizeSet(fields) : undefined
        if (size === undefined) break
        if (request.kind === 'stat') this.#remember(request.name, size)
        else if (request.file !== undefined) request.file.size = size
        break
      }
      case 'change':
        if (status !== undefined && status !== statusOk) break
        if (request.file !== undefined) request.file.hasFailed = true
        this.#ports.mark({ kind: 'command', line: `sftp ${request.line}` })
        break
      case 'names':
      case 'extended':
        break
    }
    return { kind: 'pass' }
  }

  #readAnswer(
    { file, offset }: Extract<Pending, { kind: 'read' }>,
    status: number | undefined,
    fields: SftpFields,
  ): Verdict {
    if (status !== undefined) {
      if (status !== statusEof) file.hasFailed = true
      else if (offset === file.down.next) file.hasEnded = true
      this.#answered(file)
      return { kind: 'pass' }
    }
    let left = fields.contentLength()
    this.#ports.room.take(left)
    if (left === 0) this.#answered(file)
    let at = offset
    return {
      kind: 'pass',
      onContent: (bytes) => {
        file.down.add(at, bytes)
        at += bytes.length
        left -= bytes.length
        if (left === 0) this.#answered(file)
      },
    }
  }

  /** A read or a write of the file is answered to its end. */
  #answered(file: OpenFile): void {
    file.waiting -= 1
    this.#reportWhenOver(file)
  }

  #reportWhenOver(file: OpenFile): void {
    if (file.isOver && this.#closing.delete(file)) file.report(this.#ports)
  }

  #newHandle(fields: SftpFields): string {
    const bytes = fields.string()
    if (bytes.length > longestHandle) throw new SftpViolation('the target gives a handle that is too long')
    const handle = bytes.toString('hex')
    if (this.#isKnown(handle)) throw new SftpViolation('the target gives one handle twice')
    if (this.#files.size + this.#folders.size >= mostHandles)
      throw new SftpViolation('too many files are open')
    return handle
  }

  #opened({ name, mayWrite }: Extract<Pending, { kind: 'open' }>, handle: string): void {
    this.#files.set(handle, new OpenFile(name, mayWrite, this.#sizes.get(name), this.#held))
  }

  #remember(name: string, size: number): void {
    const oldest = this.#sizes.keys().next().value
    if (this.#sizes.size >= mostSizes && oldest !== undefined) this.#sizes.delete(oldest)
    this.#sizes.set(name, size)
  }
}

/** The handle in a request. What is longer than a handle is the name of none. */
function handleOf(fields: SftpFields): string {
  const bytes = fields.string()
  return bytes.length > longestHandle ? 'none' : bytes.toString('hex')
}

/** The size among attributes, where they have one. */
function sizeSet(fields: SftpFields): number | undefined {
  return (fields.uint32() & hasSize) !== 0 ? fields.uint64() : undefined
}

function sizeWords(size: number | undefined): readonly string[] {
  return size === undefined ? [] : [`to ${size} bytes`]
}
