/** Types of SFTP packets (draft-ietf-secsh-filexfer-02, version 3). */
export const sftpType = {
  init: 1,
  version: 2,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 200,
  extendedReply: 201,
} as const

/** Longer packets than any server or client uses: OpenSSH takes 256 KiB. */
const longest = 512 * 1024

export class SftpViolation extends Error {}

/**
 * What to do with a packet, decided from its head: the whole packet, but of `write` and `data` only what comes before
 * the content.
 */
export type Verdict = {
  readonly kind: 'pass' | 'drop'
  /** Called with each piece of the content, in order. */
  readonly onContent?: (bytes: Uint8Array) => void
}

/**
 * Cuts one direction of an SFTP channel into packets, however the bytes are split, and says what of it may pass.
 * Content is looked at as it comes and never copied.
 */
export class SftpPackets {
  readonly #decide: (head: Buffer) => Verdict
  #head: Buffer = Buffer.alloc(0)
  #left = 0
  #verdict: Verdict = { kind: 'pass' }

  constructor(decide: (head: Buffer) => Verdict) {
    this.#decide = decide
  }

  /** True between two packets. */
  get isAtBoundary(): boolean {
    return this.#head.length === 0 && this.#left === 0
  }

  /** Takes a piece of the stream and answers what of it, and of what was held back, passes on. */
  take(piece: Buffer): Uint8Array[] {
    const pass: Uint8Array[] = []
    let from = 0
    let at = 0
    // Neighbouring stretches of the piece that pass leave as one.
    const flush = () => {
      if (at > from) pass.push(piece.subarray(from, at))
      from = at
    }
    while (at < piece.length) {
      if (this.#left > 0) {
        const content = piece.subarray(at, at + this.#left)
        this.#verdict.onContent?.(content)
        if (this.#verdict.kind === 'drop') flush()
        at += content.length
        if (this.#verdict.kind === 'drop') from = at
        this.#left -= content.length
        continue
      }
      const held = this.#head.length
      const found = this.#completeHead(piece, at)
      if (found === undefined) {
        flush()
        this.#head = Buffer.concat([this.#head, piece.subarray(at)])
        return pass
      }
      const { head, length } = found
      this.#head = Buffer.alloc(0)
      this.#verdict = this.#decide(head)
      this.#left = length - head.length
      flush()
      at += head.length - held
      if (this.#verdict.kind === 'drop') from = at
      else if (held > 0) {
        pass.push(head)
        from = at
      }
    }
    flush()
    return pass
  }

  /** The head of the packet that begins with what is held and goes on in `piece`, when all of it is there. */
  #completeHead(piece: Buffer, at: number): { readonly head: Buffer; readonly length: number } | undefined {
    const there =
      this.#head.length === 0
        ? piece.subarray(at)
        : Buffer.concat([this.#head, piece.subarray(at, at + longest)])
    if (there.length < 5) return undefined
    const length = 4 + there.readUInt32BE(0)
    if (length < 5 || length > longest) throw new SftpViolation('an SFTP packet has an impossible length')
    const need = headLength(there, length)
    if (need === undefined || there.length < need) return undefined
    return { head: there.subarray(0, need), length }
  }
}

/** How much of a packet is its head; undefined while too little is there to tell. */
function headLength(there: Buffer, length: number): number | undefined {
  const type = there[4]
  if (type === sftpType.data) return within(4 + 1 + 4 + 4, length)
  if (type !== sftpType.write) return length
  if (there.length < 13) return within(13, length) === 13 ? undefined : length
  return within(13 + there.readUInt32BE(9) + 8 + 4, length)
}

function within(need: number, length: number): number {
  if (need > length) throw new SftpViolation('an SFTP packet is shorter than it says')
  return need
}

/** Reads the fields of a packet one after the other. Throws `SftpViolation` past its end. */
export class SftpFields {
  readonly type: number
  readonly #bytes: Buffer
  #at = 5

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.type = bytes[4] ?? 0
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0)
  }

  /** A 64-bit number; beyond 2^53 it loses precision, which no file reaches. */
  uint64(): number {
    return Number(this.#take(8).readBigUInt64BE(0))
  }

  string(): Buffer {
    return this.#take(this.uint32())
  }

  text(): string {
    return this.string().toString('utf8')
  }

  #take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new SftpViolation('an SFTP packet ends too early')
    const taken = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return taken
  }
}

/** An answer `SSH_FX_PERMISSION_DENIED` to request `id`. */
export function permissionDenied(id: number, message: string): Buffer {
  const text = Buffer.from(message)
  const packet = Buffer.alloc(4 + 1 + 4 + 4 + 4 + text.length + 4)
  packet.writeUInt32BE(packet.length - 4, 0)
  packet[4] = sftpType.status
  packet.writeUInt32BE(id, 5)
  packet.writeUInt32BE(3, 9)
  packet.writeUInt32BE(text.length, 13)
  text.copy(packet, 17)
  return packet
}
