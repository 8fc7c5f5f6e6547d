/**
 * A client of SFTP, version 3 (draft-ietf-secsh-filexfer-02): what the files beside a desktop take.
 *
 * SECURITY: the machine may be hostile. What it sends is read within bounds, and what does not fit ends the connection;
 * a name with a slash is none of a folder's.
 */

const type = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  opendir: 11,
  readdir: 12,
  remove: 13,
  realpath: 16,
  stat: 17,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
} as const

const flags = { read: 1, write: 2, create: 8, truncate: 16, exclusive: 32 }
const status = { ok: 0, eof: 1, noSuchFile: 2, denied: 3 }

/** Bytes of one read or write, and how many of either are under way at once: those of writes fit into the socket's window. */
const pieceBytes = 30 * 1024
const readsAtOnce = 8
const writesAtOnce = 4
/** Bytes of a packet; servers send no larger ones. */
const longestPacket = 256 * 1024
/** Names of a folder that are listed at most. */
const mostNames = 20_000

export type FileEntry = {
  readonly name: string
  readonly isFolder: boolean
  readonly size: number
  /** Seconds since 1970; undefined: the machine does not say. */
  readonly changed: number | undefined
}

/** Why a request was not done, in a sentence. `code` is of SFTP. */
export class FilesRefusal extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export type Progress = (done: number) => void

type Answer = { readonly type: number; readonly fields: Reader }
type Asked = { readonly from: number; readonly length: number; readonly answer: Promise<Answer> }
type Waiting = { readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void }

/** Requests to a machine's files, and its answers, over any carrier of bytes. */
export class SftpClient {
  readonly #send: (bytes: Uint8Array) => void
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  #kept = new Uint8Array(0)
  #greeted: Waiting | undefined
  #closed: Error | undefined

  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send
  }

  /** Takes what came of the machine. Throws where that is no answer: the connection is of no use any more. */
  hear(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#kept.length + bytes.length)
    all.set(this.#kept)
    all.set(bytes, this.#kept.length)
    let at = 0
    while (all.length - at >= 4) {
      const length = new DataView(all.buffer, at).getUint32(0)
      if (length < 1 || length > longestPacket) throw this.#fail('the machine sent no answer of SFTP')
      if (all.length - at < 4 + length) break
      this.#answer(all.subarray(at + 4, at + 4 + length))
      at += 4 + length
    }
    this.#kept = all.slice(at)
  }

  /** It is over: whoever waits is told. */
  close(message: string): void {
    if (this.#closed === undefined) this.#fail(message)
  }

  #fail(message: string): Error {
    const error = new Error(message)
    this.#closed ??= error
    this.#greeted?.reject(error)
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
    return error
  }

  #answer(packet: Uint8Array): void {
    const fields = new Reader(packet)
    const kind = fields.byte()
    if (kind === type.version) {
      this.#greeted?.resolve({ type: kind, fields })
      return
    }
    const id = fields.uint32()
    const one = this.#waiting.get(id)
    if (one === undefined) throw this.#fail('the machine answered what nobody asked')
    this.#waiting.delete(id)
    one.resolve({ type: kind, fields })
  }

  #ask(kind: number, ...parts: readonly Uint8Array[]): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      this.#next = (this.#next + 1) >>> 0
      this.#waiting.set(this.#next, { resolve, reject })
      this.#send(packetOf(kind, uint32(this.#next), ...parts))
    })
  }

  /** Asks, and takes an answer of one kind; a status of another meaning is thrown as a refusal. */
  async #expect(wanted: number, kind: number, ...parts: readonly Uint8Array[]): Promise<Reader> {
    const answer = await this.#ask(kind, ...parts)
    if (answer.type === wanted && wanted !== type.status) return answer.fields
    if (answer.type !== type.status) throw this.#fail('the machine answered something else than was asked')
    const code = answer.fields.uint32()
    if (wanted === type.status && code === status.ok) return answer.fields
    throw new FilesRefusal(code, wordsOf(code, answer.fields))
  }

  /** Greets the machine, and answers the folder that it begins in. */
  async begin(): Promise<string> {
    await new Promise<Answer>((resolve, reject) => {
      this.#greeted = { resolve, reject }
      this.#send(packetOf(type.init, uint32(3)))
    })
    return this.resolve('.')
  }

  /** The whole path of a folder, as the machine spells it. */
  async resolve(path: string): Promise<string> {
    const fields = await this.#expect(type.name, type.realpath, text(path))
    if (fields.uint32() !== 1) throw this.#fail('the machine gave no path')
    return fields.text()
  }

  async list(path: string): Promise<readonly FileEntry[]> {
    const handle = (await this.#expect(type.handle, type.opendir, text(path))).bytes()
    const found: FileEntry[] = []
    try {
      for (;;) {
        const answer = await this.#ask(type.readdir, bytes(handle))
        if (answer.type === type.status) {
          const code = answer.fields.uint32()
          if (code === status.eof) return found
          throw new FilesRefusal(code, wordsOf(code, answer.fields))
        }
        if (answer.type !== type.name) throw this.#fail('the machine answered something else than was asked')
        const count = answer.fields.uint32()
        for (let at = 0; at < count; at += 1) {
          const name = answer.fields.text()
          answer.fields.bytes()
          const attributes = attributesOf(answer.fields)
          // SECURITY: a name that would lead elsewhere is none of this folder's.
          if (name === '.' || name === '..' || name === '' || /[/\0]/.test(name)) continue
          if (found.length >= mostNames)
            throw new FilesRefusal(4, `this folder has more than ${mostNames} names: too many to show`)
          found.push({ name, ...attributes })
        }
      }
    } finally {
      this.#letGo(handle)
    }
  }

  /** Reads a file from its beginning to its end, in order. */
  async read(
    path: string,
    take: (piece: Uint8Array<ArrayBuffer>) => void,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<number> {
    const handle = (
      await this.#expect(type.handle, type.open, text(path), uint32(flags.read), uint32(0))
    ).bytes()
    const coming: Asked[] = []
    const aborted = abortOf(signal)
    const ask = (from: number, length: number): Asked => ({
      ...{ from, length },
      answer: this.#ask(type.read, bytes(handle), uint64(from), uint32(length)),
    })
    let next = 0
    let at = 0
    // The first alone: some machines give shorter pieces, and what was asked beyond one would not follow on.
    let length = pieceBytes
    let many = 1
    const askOn = () => {
      for (; coming.length < many; next += length) coming.push(ask(next, length))
    }
    try {
      askOn()
      for (;;) {
        const one = coming.shift()
        if (one === undefined) return at
        const answer = await Promise.race([one.answer, aborted])
        if (answer.type === type.status) {
          const code = answer.fields.uint32()
          if (code === status.eof) return at
          throw new FilesRefusal(code, wordsOf(code, answer.fields))
        }
        if (answer.type !== type.data) throw this.#fail('the machine answered something else than was asked')
        const piece = answer.fields.bytes()
        if (piece.length > one.length || piece.length === 0)
          throw this.#fail('the machine sent another piece than was asked')
        take(piece)
        at += piece.length
        progress(at)
        // What is missing of a piece is asked before what follows it: each byte comes once, and in order.
        if (many === 1) {
          length = piece.length
          next = at
        } else if (piece.length < one.length) coming.unshift(ask(at, one.length - piece.length))
        many = readsAtOnce
        askOn()
      }
    } finally {
      for (const { answer } of coming) answer.catch(() => undefined)
      this.#letGo(handle)
    }
  }

  /** Writes a file from its beginning. Resolves when the machine has taken all of it, and its end. */
  async write(
    path: string,
    content: Blob,
    replace: boolean,
    progress: Progress,
    signal: AbortSignal,
  ): Promise<void> {
    const how = flags.write | flags.create | (replace ? flags.truncate : flags.exclusive)
    const handle = (await this.#expect(type.handle, type.open, text(path), uint32(how), uint32(0))).bytes()
    const going: Promise<number>[] = []
    const aborted = abortOf(signal)
    try {
      for (let at = 0; at < content.size; at += pieceBytes) {
        signal.throwIfAborted()
        const piece = new Uint8Array(await content.slice(at, at + pieceBytes).arrayBuffer())
        const end = at + piece.length
        const sent = this.#expect(type.status, type.write, bytes(handle), uint64(at), bytes(piece))
        going.push(sent.then(() => end))
        if (going.length >= writesAtOnce) progress((await Promise.race([going.shift(), aborted])) ?? 0)
      }
      for (const one of going.splice(0)) progress(await Promise.race([one, aborted]))
      signal.throwIfAborted()
    } catch (error) {
      for (const one of going) one.catch(() => undefined)
      this.#letGo(handle)
      throw error
    }
    await this.#expect(type.status, type.close, bytes(handle))
  }

  async remove(path: string): Promise<void> {
    await this.#expect(type.status, type.remove, text(path))
  }

  /** Whether something has this name. */
  async exists(path: string): Promise<boolean> {
    try {
      await this.#expect(type.attrs, type.stat, text(path))
      return true
    } catch (error) {
      if (error instanceof FilesRefusal && error.code === status.noSuchFile) return false
      throw error
    }
  }

  #letGo(handle: Uint8Array): void {
    this.#expect(type.status, type.close, bytes(handle)).catch(() => undefined)
  }
}

/** Rejects when it is aborted: whoever waits for a machine that is held need not. */
function abortOf(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    if (signal.aborted) reject(signal.reason as Error)
  })
  aborted.catch(() => undefined)
  return aborted
}

/** A name in a folder. */
export function pathIn(folder: string, name: string): string {
  return folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`
}

/** The folder that a folder is in. */
export function parentOf(folder: string): string {
  const at = folder.replace(/\/+$/, '').lastIndexOf('/')
  return at <= 0 ? '/' : folder.slice(0, at)
}

/**
 * A name for a file of a machine's on the user's own: what a browser or a system would make something else of is left out.
 * Their folder is the browser's to choose, and never the machine's.
 */
export function nameHere(name: string): string {
  const plain = name
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[<>:"/\\|?*]/g, '_')
    .replace(/^\.+|[. ]+$/g, '')
    .slice(0, 150)
  return plain === '' ? 'file' : plain
}

function wordsOf(code: number, fields: Reader): string {
  const said = code === status.denied || code > 4 ? fields.textOr('') : ''
  switch (code) {
    case status.noSuchFile:
      return 'there is no such file or folder any more: list the folder anew'
    case status.denied:
      return said.startsWith('your grant')
        ? said
        : 'the machine does not let this login do that: name another place'
    case status.eof:
      return 'the machine has no more of it'
    default:
      return 'the machine did not do it: it may be full, or something of that name may be there'
  }
}

function attributesOf(fields: Reader): Omit<FileEntry, 'name'> {
  const has = fields.uint32()
  const size = (has & 1) === 0 ? 0 : fields.uint64()
  if ((has & 2) !== 0) fields.skip(8)
  const mode = (has & 4) === 0 ? 0 : fields.uint32()
  let changed: number | undefined
  if ((has & 8) !== 0) {
    fields.skip(4)
    changed = fields.uint32()
  }
  if (has >>> 31 === 1) {
    const count = fields.uint32()
    for (let at = 0; at < count; at += 1) {
      fields.bytes()
      fields.bytes()
    }
  }
  return { isFolder: (mode & 0o170000) === 0o040000, size, changed }
}

/** Fields of a packet. Reading beyond its end throws. */
class Reader {
  readonly #packet: Uint8Array
  #at = 0

  constructor(packet: Uint8Array) {
    this.#packet = packet
  }

  #take(length: number): DataView {
    if (this.#at + length > this.#packet.length) throw new RangeError('an answer of SFTP ends too soon')
    const view = new DataView(this.#packet.buffer, this.#packet.byteOffset + this.#at, length)
    this.#at += length
    return view
  }

  byte(): number {
    return this.#take(1).getUint8(0)
  }

  uint32(): number {
    return this.#take(4).getUint32(0)
  }

  uint64(): number {
    return Number(this.#take(8).getBigUint64(0))
  }

  skip(length: number): void {
    this.#take(length)
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const view = this.#take(this.uint32())
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice()
  }

  text(): string {
    return new TextDecoder().decode(this.bytes())
  }

  textOr(otherwise: string): string {
    try {
      return this.text()
    } catch {
      return otherwise
    }
  }
}

function packetOf(kind: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 1)
  const packet = new Uint8Array(4 + length)
  new DataView(packet.buffer).setUint32(0, length)
  packet[4] = kind
  let at = 5
  for (const part of parts) {
    packet.set(part, at)
    at += part.length
  }
  return packet
}

function uint32(value: number): Uint8Array {
  const out = new Uint8Array(4)
  new DataView(out.buffer).setUint32(0, value)
  return out
}

function uint64(value: number): Uint8Array {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt(value))
  return out
}

function bytes(content: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + content.length)
  out.set(uint32(content.length))
  out.set(content, 4)
  return out
}

function text(value: string): Uint8Array {
  return bytes(new TextEncoder().encode(value))
}
