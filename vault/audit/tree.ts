import { hash } from 'node:crypto'

/** The Merkle tree of RFC 6962 §2.1 over SHA-256. */

export const emptyRoot: Uint8Array = hash('sha256', new Uint8Array(0), 'buffer')

// Hashing a million leaves is mostly copying: one buffer serves all of them.
const node = Buffer.alloc(65, 1)
let leafBuffer = Buffer.alloc(4096)

export function leafHash(leaf: Uint8Array): Uint8Array {
  if (leafBuffer.length <= leaf.length) leafBuffer = Buffer.alloc(leaf.length * 2)
  leafBuffer[0] = 0
  leafBuffer.set(leaf, 1)
  return hash('sha256', leafBuffer.subarray(0, leaf.length + 1), 'buffer')
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  node.set(left, 1)
  node.set(right, 33)
  return hash('sha256', node, 'buffer')
}

/** A full subtree: `level` 0 is a leaf; it covers leaves `position * 2^level` and the following. */
export type Node = { readonly level: number; readonly position: number; readonly hash: Uint8Array }

/**
 * The right edge of a growing tree: one hash for each full subtree that has no sibling yet, the largest first. It is
 * all that is needed to add leaves and to give the root.
 */
export class Frontier {
  #size = 0
  #nodes: Node[] = []

  /** The edge of a tree of `size` leaves, whose full subtrees `nodes` are, largest first (`frontierOf(size)`). */
  static of(size: number, nodes: readonly Node[]): Frontier {
    const frontier = new Frontier()
    frontier.#size = size
    frontier.#nodes = [...nodes]
    return frontier
  }

  get size(): number {
    return this.#size
  }

  /** Adds a leaf by its hash. Answers the full subtrees that it completed, beginning with the leaf. */
  add(hashed: Uint8Array): readonly Node[] {
    let node: Node = { level: 0, position: this.#size, hash: hashed }
    const completed = [node]
    this.#size += 1
    for (;;) {
      const left = this.#nodes.at(-1)
      if (left === undefined || left.level !== node.level) break
      this.#nodes.pop()
      node = {
        level: node.level + 1,
        position: Math.floor(left.position / 2),
        hash: nodeHash(left.hash, node.hash),
      }
      completed.push(node)
    }
    this.#nodes.push(node)
    return completed
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined
    for (const { hash: next } of this.#nodes.toReversed())
      root = root === undefined ? next : nodeHash(next, root)
    return root ?? emptyRoot
  }
}

/** The full subtrees that a tree of `size` leaves consists of, the largest first. */
export function frontierOf(size: number): readonly { readonly level: number; readonly position: number }[] {
  const parts: { level: number; position: number }[] = []
  let start = 0
  // Sizes are below 2^53: shifts of 32-bit numbers would not do.
  for (let level = 52; level >= 0; level -= 1) {
    const width = 2 ** level
    if (Math.floor(size / width) % 2 === 0) continue
    parts.push({ level, position: start / width })
    start += width
  }
  return parts
}
