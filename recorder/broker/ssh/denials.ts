/** Refused requests of one kind, in a session, that are written down one by one. */
export const writtenSingly = 100

/**
 * Writes down the requests that a session was refused: the first ones as they are, then how many there were, whenever
 * their number has doubled, and at the end.
 *
 * SECURITY: each is a mark of the recording and an entry of the audit log. A flood of them fills neither.
 */
export class Denials {
  readonly #what: string
  readonly #tell: (detail: string) => void
  #count = 0
  #next = writtenSingly * 2

  /** `what` names them where they are counted: `refused file requests`. */
  constructor(what: string, tell: (detail: string) => void) {
    this.#what = what
    this.#tell = tell
  }

  add(detail: string): void {
    this.#count += 1
    if (this.#count <= writtenSingly) return this.#tell(detail)
    if (this.#count < this.#next) return
    this.#next *= 2
    this.#tell(`${this.#what}: ${this.#count} so far`)
  }

  finish(): void {
    if (this.#count > writtenSingly) this.#tell(`${this.#what}: ${this.#count} in all`)
  }
}
