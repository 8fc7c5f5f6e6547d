import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import type { Argon2id } from './identity.ts'

const derive = promisify(argon2)

/** Argon2id by Node's own crypto, off the event loop. */
export const argon2idOfNode: Argon2id = async ({ passphrase, salt, passes, memoryKiB }) =>
  new Uint8Array(
    await derive('argon2id', {
      message: passphrase,
      nonce: salt,
      parallelism: 1,
      tagLength: 32,
      memory: memoryKiB,
      passes,
    }),
  )
