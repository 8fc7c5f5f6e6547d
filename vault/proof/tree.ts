import { sameBytes, sha256 } from '../kernel/digest.ts'

/** Checks of proofs of RFC 6962 §2.1.1 and §2.1.2, after RFC 9162 §2.1.3.2 and §2.1.4.2. Runs in browsers too. */

export function leafHashOf(leaf: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(leaf.length + 1)
  bytes.set(leaf, 1)
  return sha256(bytes)
}

function nodeHashOf(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(1 + left.length + right.length)
  bytes[0] = 1
  bytes.set(left, 1)
  bytes.set(right, 1 + left.length)
  return sha256(bytes)
}

/** Does `proof` show that the leaf with this hash is number `index` of the tree with this size and root? */
export async function isIncluded(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): Promise<boolean> {
  if (index >= size) return false
  let [fn, sn] = [index, size - 1]
  let hashed = leaf
  for (const sibling of proof) {
    if (sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      hashed = await nodeHashOf(sibling, hashed)
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else hashed = await nodeHashOf(hashed, sibling)
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && sameBytes(hashed, root)
}

/** Does `proof` show that the tree (`to`, `toRoot`) begins with the whole tree (`from`, `fromRoot`)? */
export async function isConsistent(
  from: number,
  fromRoot: Uint8Array,
  to: number,
  toRoot: Uint8Array,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  if (from > to) return false
  if (from === to) return proof.length === 0 && sameBytes(fromRoot, toRoot)
  if (from === 0) return proof.length === 0
  const path = isPowerOfTwo(from) ? [fromRoot, ...proof] : [...proof]
  const first = path.shift()
  if (first === undefined) return false
  let [fn, sn] = [from - 1, to - 1]
  while (isOdd(fn)) [fn, sn] = [half(fn), half(sn)]
  let [fr, sr] = [first, first]
  for (const sibling of path) {
    if (sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      fr = await nodeHashOf(sibling, fr)
      sr = await nodeHashOf(sibling, sr)
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else sr = await nodeHashOf(sr, sibling)
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && sameBytes(fr, fromRoot) && sameBytes(sr, toRoot)
}

function isPowerOfTwo(count: number): boolean {
  let power = 1
  while (power < count) power *= 2
  return power === count
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function half(value: number): number {
  return Math.floor(value / 2)
}
