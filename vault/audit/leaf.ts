import { Fault } from '../kernel/fault.ts'

/**
 * The bytes of a leaf: canonical JSON `{"entry":…,"prev":"…","seq":…}`, the entry's own bytes between. `prev` is the
 * leaf hash before, in hex, empty for the first. `unproven` marks an entry that nobody vouched for when it was made.
 */
const head = '{"entry":'

export type LeafParts = {
  readonly seq: number
  readonly prev: string
  readonly unproven: boolean
  /** The bytes of the entry, as canonical JSON. */
  readonly entry: Uint8Array
}

export function leafBytes(
  seq: number,
  prev: Uint8Array | undefined,
  entry: Uint8Array,
  unproven: boolean,
): Buffer {
  const tail = `,"prev":"${prev === undefined ? '' : Buffer.from(prev.buffer, prev.byteOffset, prev.length).toString('hex')}","seq":${seq}${unproven ? ',"unproven":true' : ''}}`
  return Buffer.concat([Buffer.from(head), entry, Buffer.from(tail)])
}

const tailForm = /,"prev":"((?:[0-9a-f]{64})?)","seq":(0|[1-9]\d{0,15})(,"unproven":true)?\}$/
const longestTail = 128

/** Takes a leaf apart. Throws `Fault('audit')` when it has not the form of one; the entry is not parsed. */
export function parseLeaf(bytes: Uint8Array): LeafParts {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const text = buffer.toString('latin1', Math.max(0, buffer.length - longestTail))
  const found = tailForm.exec(text)
  if (found === null || buffer.toString('latin1', 0, head.length) !== head)
    throw new Fault('audit', 'a leaf is malformed')
  const seq = Number(found[2])
  if (!Number.isSafeInteger(seq)) throw new Fault('audit', 'a leaf is malformed')
  return {
    seq,
    prev: found[1] ?? '',
    unproven: found[3] !== undefined,
    entry: bytes.subarray(head.length, bytes.length - found[0].length),
  }
}
