import { hash } from 'node:crypto'

/** A growing RFC 6962 tree, of which only the frontier is kept. Leaves are given as hashes. */
export class Tree {
  #frontier: { readonly height: number; readonly hash: Buffer }[] = []
  #leaves = 0

  get leaves(): number {
    return this.#leaves
  }

  push(leaf: Buffer): void {
    this.#leaves += 1
    let node = { height: 0, hash: leaf }
    for (let last = this.#frontier.at(-1); last?.height === node.height; last = this.#frontier.at(-1)) {
      this.#frontier.pop()
      node = { height: node.height + 1, hash: nodeHash(last.hash, node.hash) }
    }
    this.#frontier.push(node)
  }

  /** The root over all leaves so far; of an empty tree SHA-256 of nothing, as RFC 6962 has it. */
  root(): Buffer {
    const right = this.#frontier.at(-1)
    if (right === undefined) return hash('sha256', Buffer.alloc(0), 'buffer')
    let root = right.hash
    for (let at = this.#frontier.length - 2; at >= 0; at -= 1)
      root = nodeHash((this.#frontier[at] as { readonly hash: Buffer }).hash, root)
    return root
  }
}

function nodeHash(left: Buffer, right: Buffer): Buffer {
  return hash('sha256', Buffer.concat([Buffer.of(1), left, right]), 'buffer')
}
