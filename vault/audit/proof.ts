/** Proofs of RFC 6962 §2.1.1 and §2.1.2; `vault/proof/tree.ts` checks them. */

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

/** The largest power of two below `count`, which is at least 2. */
export function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}
