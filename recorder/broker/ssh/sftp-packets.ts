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
const nothing = Buffer.alloc(0)

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
  /** The beginning of a head that came in several pieces, in a buffer with room to grow. */
  #held: Buffer = nothing
  #heldLength = 0
  #left = 0
  #verdict: Verdict = { kind: 'pass' }

  constructor(decide: (head: Buffer) => Verdict) {
    this.#decide = decide
  }

  /** True between two packets. */
  get isAtBoundary(): boolean {
    return this.#heldLength === 0 && this.#left === 0
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
      if (this.#heldLength === 0) {
        const there = piece.subarray(at)
        const need = headNeeded(there)
        if (there.length >= need) {
          const passes = this.#decided(there.subarray(0, need))
          if (!passes) flush()
          at += need
          if (!passes) from = at
          continue
        }
      }
      flush()
      const taken = this.#completeHeld(piece.subarray(at))
      at += taken
      from = at
      const head = this.#held.subarray(0, this.#heldLength)
      if (head.length < headNeeded(head)) return pass
      this.#held = nothing
      this.#heldLength = 0
      if (this.#decided(head)) pass.push(head)
    }
    flush()
    return pass
  }

  #decided(head: Buffer): boolean {
    this.#verdict = this.#decide(head)
    this.#left = 4 + head.readUInt32BE(0) - head.length
    return this.#verdict.kind === 'pass'
  }

  /** Takes what the head that is held still lacks, never the content behind it, and tells how much that was. */
  #completeHeld(piece: Buffer): number {
    let at = 0
    for (;;) {
      const lacks = headNeeded(this.#held.subarray(0, this.#heldLength)) - this.#heldLength
      if (lacks <= 0 || at === piece.length) return at
      const more = piece.subarray(at, at + lacks)
      this.#hold(more)
      at += more.length
    }
  }

  /** Room doubles as it fills: a head that comes byte by byte is not copied byte by byte. */
  #hold(bytes: Uint8Array): void {
    const length = this.#heldLength + bytes.length
    if (length > this.#held.length) {
      const larger = Buffer.allocUnsafe(Math.max(64, length, 2 * this.#held.length))
      this.#held.copy(larger, 0, 0, this.#heldLength)
      this.#held = larger
    }
    this.#held.set(bytes, this.#heldLength)
    this.#heldLength = length
  }
}

/** How many bytes the head has, or, while too few are there to tell, how many it takes to tell more. */
function headNeeded(there: Buffer): number {
  if (there.length < 5) return 5
  const length = 4 + there.readUInt32BE(0)
  if (length < 5 || length > longest) throw new SftpViolation('an SFTP packet has an impossible length')
  const type = there[4]
  if (type === sftpType.data) return within(4 + 1 + 4 + 4, length)
  if (type !== sftpType.write) return length
  const fixed = within(4 + 1 + 4 + 4, length)
  return there.length < fixed ? fixed : within(fixed + there.readUInt32BE(9) + 8 + 4, length)
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

  /**
   * The length of the content behind this head.
   *
   * SECURITY: it is all that is left of the packet. Servers and clients skip what is behind it: a digest would cover
   * bytes that no file has.
   */
  contentLength(): number {
    const length = this.uint32()
    if (length !== 4 + this.#bytes.readUInt32BE(0) - this.#at)
      throw new SftpViolation('an SFTP packet holds more or less than it says')
    return length
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
