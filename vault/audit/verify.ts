import { verifyingKeyOf } from '../crypto/signing.ts'
import { type Checkpoint, openCheckpoint } from './checkpoint.ts'
import type { Verification } from '../proof/found.ts'
import { parseLeaf } from '../proof/leaf.ts'
import { Frontier, leafHash } from './tree.ts'

/**
 * Verifies a log from its leaves and signed checkpoints alone (docs/audit-format.md): numbers, chain, tree and
 * signatures. `publicKey` is the log's raw Ed25519 key, known from elsewhere than the log. Checkpoints of witnesses
 * can be given too. Needs neither server nor database; reads the leaves once.
 */
export async function verifyAudit(
  leaves: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  checkpoints: Iterable<string>,
  publicKey: Uint8Array,
): Promise<Verification> {
  const opened = openAll(checkpoints, publicKey)
  if ('sentence' in opened)
    return { ok: false, leaves: 0, checkpoints: 0, at: opened.at, sentence: opened.sentence }
  const { signed } = opened
  const frontier = new Frontier()
  let next = 0
  let vouched = 0
  let prev = ''
  const broken = (at: number, sentence: string): Verification => ({
    ok: false,
    leaves: frontier.size,
    checkpoints: next,
    at,
    sentence,
  })

  /** Compares with the checkpoints of the present size; the sentence of the one that does not agree. */
  const compare = (): string | undefined => {
    for (let point = signed[next]; point?.size === frontier.size; point = signed[next]) {
      if (Buffer.compare(point.root, frontier.root()) !== 0)
        return `${entries(vouched, frontier.size - 1)} not what was signed at ${point.time}: changed since`
      next += 1
      vouched = frontier.size
    }
    return undefined
  }

  let fault = compare()
  if (fault !== undefined) return broken(0, fault)
  for await (const bytes of leaves) {
    const place = frontier.size
    const check = checkLeaf(bytes, place, prev)
    if (check !== undefined) return broken(check.at, check.sentence)
    const hashed = leafHash(bytes)
    prev = Buffer.from(hashed.buffer, hashed.byteOffset, hashed.length).toString('hex')
    frontier.add(hashed)
    fault = compare()
    if (fault !== undefined) return broken(vouched, fault)
  }

  const beyond = signed.at(-1)
  if (beyond !== undefined && beyond.size > frontier.size)
    return broken(
      frontier.size,
      `the log ends after ${frontier.size} entries, ${beyond.size} were signed at ${beyond.time}: the last ${beyond.size - frontier.size} are missing`,
    )
  if (vouched < frontier.size)
    return broken(vouched, `${entries(vouched, frontier.size - 1)} covered by no signature`)
  const sentence = `all ${frontier.size} entries are whole, in order and signed (checkpoints: ${next})`
  return { ok: true, leaves: frontier.size, checkpoints: next, sentence }
}

function entries(first: number, last: number): string {
  return first === last ? `entry ${first} is` : `entries ${first} to ${last} are`
}

function checkLeaf(
  bytes: Uint8Array,
  place: number,
  prev: string,
): { readonly at: number; readonly sentence: string } | undefined {
  let leaf: ReturnType<typeof parseLeaf>
  try {
    leaf = parseLeaf(bytes)
  } catch {
    return { at: place, sentence: `entry ${place} is malformed` }
  }
  if (leaf.seq > place) return { at: place, sentence: `entry ${place} is missing` }
  if (leaf.seq < place)
    return { at: place, sentence: `in place of entry ${place} there is entry ${leaf.seq}` }
  if (leaf.prev !== prev)
    return {
      at: Math.max(0, place - 1),
      sentence:
        place === 0
          ? 'entry 0 says that another was before it'
          : `entry ${place - 1} was changed, or entry ${place} belongs to another log: entry ${place} follows another`,
    }
  return undefined
}

function openAll(
  checkpoints: Iterable<string>,
  publicKey: Uint8Array,
): { readonly signed: readonly Checkpoint[] } | { readonly at: number; readonly sentence: string } {
  const key = verifyingKeyOf(publicKey)
  const signed: Checkpoint[] = []
  for (const text of new Set(checkpoints)) {
    const opened = openCheckpoint(text, key, publicKey)
    if (opened === undefined) {
      const size = Number(/^[^\n]*\n(\d{1,15})\n/.exec(text)?.[1] ?? 0)
      return { at: size, sentence: `the checkpoint at ${size} entries is not signed by this log's key` }
    }
    const [first] = signed
    if (first !== undefined && first.origin !== opened.origin)
      return { at: opened.size, sentence: `the checkpoint at ${opened.size} entries is of another log` }
    signed.push(opened)
  }
  return { signed: signed.sort((a, b) => a.size - b.size) }
}
