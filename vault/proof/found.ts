import { fromBase64, toBase64 } from '../kernel/encoding.ts'
import { parseLeaf } from './leaf.ts'
import { type Checkpoint, type IsSigned, openNote, readNote } from './note.ts'
import { isIncluded, leafHashOf } from './tree.ts'

/** What an offline reader of the log says. `at`: the first entry that it cannot vouch for. */
export type Verification =
  | { readonly ok: true; readonly leaves: number; readonly checkpoints: number; readonly sentence: string }
  | {
      readonly ok: false
      readonly leaves: number
      readonly checkpoints: number
      readonly at: number
      readonly sentence: string
    }

export type Batch = {
  readonly checkpoint: string
  /** Bytes in base64. */
  readonly leaves: readonly {
    readonly seq: number
    readonly body: string
    readonly proof: readonly string[]
  }[]
}

/**
 * Verifies single leaves by their proofs against signed checkpoints, all of one log. It says nothing of what is not
 * among them. Runs in browsers too.
 */
export async function verifyFound(
  batches: readonly Batch[],
  publicKey: Uint8Array,
  isSigned: IsSigned,
): Promise<Verification> {
  const points: Checkpoint[] = []
  const broken = (at: number, leaves: number, sentence: string): Verification => ({
    ok: false,
    leaves,
    checkpoints: points.length,
    at,
    sentence,
  })
  for (const { checkpoint } of batches) {
    const opened = await openNote(checkpoint, publicKey, isSigned)
    const size = opened?.size ?? readNote(checkpoint)?.size ?? sizeOf(checkpoint)
    if (opened === undefined)
      return broken(size, 0, `the checkpoint at ${size} entries is not signed by this log's key`)
    if (opened.origin !== (points[0] ?? opened).origin)
      return broken(size, 0, `the checkpoint at ${size} entries is of another log`)
    points.push(opened)
  }
  let leaves = 0
  for (const [index, batch] of batches.entries())
    for (const { seq, body, proof } of batch.leaves) {
      if (!(await isProven(seq, body, proof, points[index] as Checkpoint)))
        return broken(seq, leaves, `entry ${seq} is not in the log that was signed`)
      leaves += 1
    }
  return {
    ok: true,
    leaves,
    checkpoints: new Set(batches.map(({ checkpoint }) => checkpoint)).size,
    sentence: `all ${leaves} entries are in the log as it was signed; whether there are others like them, only the whole log shows`,
  }
}

function sizeOf(checkpoint: string): number {
  return Number(/^[^\n]*\n(\d{1,15})\n/.exec(checkpoint)?.[1] ?? 0)
}

async function isProven(
  seq: number,
  body: string,
  proof: readonly string[],
  checkpoint: Checkpoint,
): Promise<boolean> {
  try {
    const bytes = strict(body)
    return (
      parseLeaf(bytes).seq === seq &&
      (await isIncluded(await leafHashOf(bytes), seq, checkpoint.size, proof.map(strict), checkpoint.root))
    )
  } catch {
    return false
  }
}

/** Of several texts that decode to the same bytes, only the one that is written. Throws `TypeError`. */
function strict(text: string): Uint8Array {
  const bytes = fromBase64(text)
  if (toBase64(bytes) !== text) throw new TypeError('not as it is written')
  return bytes
}
