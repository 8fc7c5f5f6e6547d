/** Ways to tamper with a file, by a seed: the same seed does the same. */

export type Tampered = { readonly how: string; readonly bytes: Uint8Array; readonly at: number }

/** A small generator of numbers (mulberry32): not for secrets. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** An artefact to tamper with: its bytes, where its parts end, and another of its kind to splice from. */
export type Artefact = {
  readonly bytes: Uint8Array
  readonly boundaries: readonly number[]
  readonly other: Uint8Array
  readonly otherBoundaries: readonly number[]
}

const ways = [
  'flip',
  'cut',
  'boundary',
  'exchange',
  'repeat',
  'leave out',
  'splice',
  'overwrite',
  'insert',
] as const

/** Tampers once. Never answers the bytes that it was given. */
export function tamper(artefact: Artefact, next: (below: number) => number): Tampered {
  const { bytes, boundaries, other, otherBoundaries } = artefact
  for (;;) {
    const how = ways[next(ways.length)] as (typeof ways)[number]
    const made = byWay(how)
    if (made !== undefined && Buffer.compare(made.bytes, bytes) !== 0) return { how, ...made }
  }

  function byWay(how: (typeof ways)[number]): Omit<Tampered, 'how'> | undefined {
    const at = next(bytes.length)
    const place = next(Math.max(1, boundaries.length - 2))
    const [from = 0, middle = 0, to = 0] = boundaries.slice(place, place + 3)
    const part = bytes.subarray(from, middle)
    switch (how) {
      case 'flip': {
        const changed = Uint8Array.from(bytes)
        changed[at] = (changed[at] as number) ^ (1 << next(8))
        return { bytes: changed, at }
      }
      case 'cut':
        return { bytes: bytes.subarray(0, at), at }
      case 'boundary':
        return { bytes: bytes.subarray(0, middle), at: middle }
      case 'exchange':
        return {
          bytes: Buffer.concat([
            bytes.subarray(0, from),
            bytes.subarray(middle, to),
            part,
            bytes.subarray(to),
          ]),
          at: from,
        }
      case 'repeat':
        return { bytes: Buffer.concat([bytes.subarray(0, middle), part, bytes.subarray(middle)]), at: middle }
      case 'leave out':
        return { bytes: Buffer.concat([bytes.subarray(0, from), bytes.subarray(middle)]), at: from }
      case 'splice': {
        const theirs = next(Math.max(1, otherBoundaries.length - 1))
        const [start = 0, end = 0] = otherBoundaries.slice(theirs, theirs + 2)
        return {
          bytes: Buffer.concat([bytes.subarray(0, from), other.subarray(start, end), bytes.subarray(middle)]),
          at: from,
        }
      }
      case 'overwrite': {
        const changed = Uint8Array.from(bytes)
        const length = Math.min(1 + next(64), bytes.length - at)
        for (let byte = at; byte < at + length; byte += 1) changed[byte] = next(256)
        return {
          bytes: changed,
          at: at + bytes.subarray(at).findIndex((byte, index) => byte !== changed[at + index]),
        }
      }
      case 'insert': {
        const added = Uint8Array.from({ length: 1 + next(16) }, () => next(256))
        return { bytes: Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]), at }
      }
    }
  }
}
