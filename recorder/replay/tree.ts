import { sha256 } from '../../vault/kernel/digest.ts'

/** A growing RFC 6962 tree, of which only the frontier is kept: the reader's, for WebCrypto. */
export class ReadTree {
  #frontier: { readonly height: number; readonly hash: Uint8Array }[] = []
  #leaves = 0

  get leaves(): number {
    return this.#leaves
  }

  async push(leaf: Uint8Array): Promise<void> {
    this.#leaves += 1
    let node = { height: 0, hash: leaf }
    for (let last = this.#frontier.at(-1); last?.height === node.height; last = this.#frontier.at(-1)) {
      this.#frontier.pop()
      node = { height: node.height + 1, hash: await nodeHash(last.hash, node.hash) }
    }
    this.#frontier.push(node)
  }

  async root(): Promise<Uint8Array> {
    const right = this.#frontier.at(-1)
    if (right === undefined) return sha256(new Uint8Array())
    let root = right.hash
    for (let at = this.#frontier.length - 2; at >= 0; at -= 1)
      root = await nodeHash((this.#frontier[at] as { readonly hash: Uint8Array }).hash, root)
    return root
  }
}

/** Hash of a leaf: a zero byte, then what the leaf is made of. */
export function leafHash(...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  return sha256(join(Uint8Array.of(0), ...parts))
}

function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(join(Uint8Array.of(1), left, right))
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
