/** How far into a connection an identification may come: lines before it are allowed (RFC 4253 §4.2). */
const lookedAt = 8 * 1024
const mark = 'SSH-'

/**
 * Notices an SSH connection inside a forwarding by its identification at the beginning of a line, once.
 * It is a mark for people: a program that hides its identification is not noticed.
 */
export class NestedSsh {
  readonly #tell: () => void
  readonly #seen = { up: 0, down: 0 }
  readonly #tail = { up: '\n', down: '\n' }
  #isTold = false

  constructor(tell: () => void) {
    this.#tell = tell
  }

  see(direction: 'up' | 'down', bytes: Buffer): void {
    if (this.#isTold || this.#seen[direction] >= lookedAt) return
    const piece = bytes.subarray(0, lookedAt - this.#seen[direction]).toString('latin1')
    this.#seen[direction] += piece.length
    // Pieces are cut anywhere: the end of the one before may hold the beginning.
    const text = this.#tail[direction] + piece
    this.#tail[direction] = text.slice(-mark.length)
    if (!text.includes(`\n${mark}`)) return
    this.#isTold = true
    this.#tell()
  }
}
