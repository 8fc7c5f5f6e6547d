import { nodeHash } from './tree.ts'

/** Proofs of RFC 6962 §2.1.1 and §2.1.2; the checks follow RFC 9162 §2.1.3.2 and §2.1.4.2. */

/** A run of leaves: from `start`, up to and without `end`. */
export type Range = { readonly start: number; readonly end: number }

/** The subtrees whose hashes prove that leaf `index` is in the tree of `size` leaves, in the proof's order. */
export function inclusionRanges(index: number, size: number): readonly Range[] {
  const ranges: Range[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start)
    if (index < middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  return ranges.reverse()
}

/** The subtrees whose hashes prove that the tree of `to` leaves begins with the tree of `from` leaves. */
export function consistencyRanges(from: number, to: number): readonly Range[] {
  if (from === to || from === 0) return []
  const ranges: Range[] = []
  let start = 0
  let end = to
  let whole = true
  while (from !== end) {
    const middle = start + largestPowerBelow(end - start)
    if (from <= middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
      whole = false
    }
  }
  if (!whole) ranges.push({ start, end })
  return ranges.reverse()
}

/** Does `proof` show that the leaf with this hash is number `index` of the tree with this size and root? */
export function isIncluded(
  leaf: Uint8Array,
  index: number,
  size: number,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (index >= size) return false
  let [fn, sn] = [index, size - 1]
  let hashed = leaf
  for (const sibling of proof) {
    if (sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      hashed = nodeHash(sibling, hashed)
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else hashed = nodeHash(hashed, sibling)
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && equal(hashed, root)
}

/** Does `proof` show that the tree (`to`, `toRoot`) begins with the whole tree (`from`, `fromRoot`)? */
export function isConsistent(
  from: number,
  fromRoot: Uint8Array,
  to: number,
  toRoot: Uint8Array,
  proof: readonly Uint8Array[],
): boolean {
  if (from > to) return false
  if (from === to) return proof.length === 0 && equal(fromRoot, toRoot)
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
      fr = nodeHash(sibling, fr)
      sr = nodeHash(sibling, sr)
      while (!isOdd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)]
    } else sr = nodeHash(sr, sibling)
    ;[fn, sn] = [half(fn), half(sn)]
  }
  return sn === 0 && equal(fr, fromRoot) && equal(sr, toRoot)
}

/** The largest power of two below `count`, which is at least 2. */
export function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

function isPowerOfTwo(count: number): boolean {
  return largestPowerBelow(count * 2) === count
}

function isOdd(value: number): boolean {
  return value % 2 === 1
}

function half(value: number): number {
  return Math.floor(value / 2)
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
