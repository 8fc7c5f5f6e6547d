import { isExtra, maxPayload, recordHeadBytes, recordTypes } from './record.ts'
import type { ByteSource } from './source.ts'

/** A whole record. `payload` is a view: copy what you keep. */
export type FileRecord = {
  readonly type: number
  /** Where the record begins in the file. */
  readonly offset: number
  readonly end: number
  readonly payload: Uint8Array
}

/** Where scanning stopped before the end: a record cut short (as a crash leaves it), or one that is none. */
export type Break = { readonly kind: 'cut' | 'malformed'; readonly offset: number }

const windowBytes = 1024 * 1024

/** Reads records one after the other, in windows of a MiB. */
export class RecordScan {
  readonly #source: ByteSource
  readonly #limit: number
  #offset: number
  #window: Uint8Array = new Uint8Array()
  #windowAt = 0

  constructor(source: ByteSource, from: number, limit: number = source.size) {
    this.#source = source
    this.#offset = from
    this.#limit = Math.min(limit, source.size)
  }

  get offset(): number {
    return this.#offset
  }

  /** The next record; a `Break` where there is none that is whole; undefined at the end. */
  async next(): Promise<FileRecord | Break | undefined> {
    const offset = this.#offset
    if (offset >= this.#limit) return undefined
    const head = await this.#bytes(offset, recordHeadBytes)
    const type = head[0] as number
    const known = maxPayload(type)
    if (known < 0) return { kind: 'malformed', offset }
    if (head.length < recordHeadBytes) return { kind: 'cut', offset }
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1)
    if (length > known) return { kind: 'malformed', offset }
    const end = offset + recordHeadBytes + length
    if (end > this.#limit) return { kind: 'cut', offset }
    const bytes = await this.#bytes(offset, recordHeadBytes + length)
    if (bytes.length < recordHeadBytes + length) return { kind: 'cut', offset }
    this.#offset = end
    return { type, offset, end, payload: bytes.subarray(recordHeadBytes) }
  }

  async #bytes(offset: number, length: number): Promise<Uint8Array> {
    const from = offset - this.#windowAt
    if (from < 0 || from + length > this.#window.length) {
      const ahead = Math.max(length, Math.min(windowBytes, this.#limit - offset))
      this.#window = await this.#source.read(offset, ahead)
      this.#windowAt = offset
    }
    const start = offset - this.#windowAt
    return this.#window.subarray(start, start + length)
  }
}

export function isRecord(found: FileRecord | Break): found is FileRecord {
  return 'payload' in found
}

/** Records that may stand between segments and the final record. */
export function endsSegments(type: number): boolean {
  return isExtra(type) || type === recordTypes.final
}
