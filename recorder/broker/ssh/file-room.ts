import { type Permit, usualFileMegabytes } from '../../../vault/contract.ts'
import { SftpViolation } from './sftp-packets.ts'

/**
 * What the files of a session may still carry, both ways and all its channels together.
 *
 * INVARIANT: asked before content passes: nothing beyond the bound does.
 */
export class FileRoom {
  readonly #sentence: string
  readonly #most: number
  #carried = 0

  constructor({ target }: Pick<Permit, 'target'>) {
    const megabytes = target.fileMegabytes ?? usualFileMegabytes
    this.#most = megabytes * 1e6
    this.#sentence =
      `the files of this session may carry ${megabytes} MB in all, so this transfer ends: ` +
      `connect again, or ask an administrator for more (tagout target change ${target.name} --files)`
  }

  /** Takes room for content that goes on now. Throws, with the sentence for its user, where there is none. */
  take(bytes: number): void {
    this.expect(bytes)
    this.#carried += bytes
  }

  /** Throws where so many bytes could not go on any more. */
  expect(bytes: number): void {
    if (this.#carried + bytes > this.#most) throw new SftpViolation(this.#sentence)
  }
}
