import { Fault } from '../kernel/fault.ts'

/**
 * The bytes of a leaf: canonical JSON `{"entry":…,"prev":"…","seq":…}`, the entry's own bytes between. `prev` is the
 * leaf hash before, in hex, empty for the first. `unproven` marks an entry that nobody vouched for when it was made.
 * Runs in browsers too.
 */
export const head = '{"entry":'

export type LeafParts = {
  readonly seq: number
  readonly prev: string
  readonly unproven: boolean
  /** The bytes of the entry, as canonical JSON. */
  readonly entry: Uint8Array
}

const tailForm = /,"prev":"((?:[0-9a-f]{64})?)","seq":(0|[1-9]\d{0,15})(,"unproven":true)?\}$/
const longestTail = 128

/** Takes a leaf apart. Throws `Fault('audit')` when it has not the form of one; the entry is not parsed. */
export function parseLeaf(bytes: Uint8Array): LeafParts {
  const found = tailForm.exec(latin1(bytes.subarray(Math.max(0, bytes.length - longestTail))))
  if (found === null || latin1(bytes.subarray(0, head.length)) !== head)
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

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
