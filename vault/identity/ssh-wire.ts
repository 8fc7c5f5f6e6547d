/** Reads the fields of an SSH message or key blob (RFC 4251 §5). Every read throws `RangeError` past the end. */
export class WireReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  byte(): number {
    return this.#take(1).readUInt8(0)
  }

  uint32(): number {
    return this.#take(4).readUInt32BE(0)
  }

  string(): Buffer {
    return this.#take(this.uint32())
  }

  text(): string {
    return this.string().toString('utf8')
  }

  /** A positive multiple-precision integer without its leading zeros. Throws `RangeError` for a negative one. */
  mpint(): Buffer {
    const bytes = this.string()
    if (bytes.length > 0 && ((bytes[0] ?? 0) & 0x80) !== 0) throw new RangeError('a negative integer')
    let from = 0
    while (from < bytes.length && bytes[from] === 0) from += 1
    return bytes.subarray(from)
  }

  rest(): Buffer {
    return this.#take(this.#bytes.length - this.#at)
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length
  }

  #take(size: number): Buffer {
    if (size > this.#bytes.length - this.#at) throw new RangeError('the message ends early')
    const part = this.#bytes.subarray(this.#at, this.#at + size)
    this.#at += size
    return part
  }
}

/** An SSH string: length and bytes. */
export function wireString(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array)
  const head = Buffer.alloc(4)
  head.writeUInt32BE(bytes.length)
  return Buffer.concat([head, bytes])
}
