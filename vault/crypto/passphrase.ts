import { argon2 } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '../kernel/secret.ts'

const argon2Async = promisify(argon2)

/** Costs of Argon2id (RFC 9106); `memory` in KiB. */
export type PassphraseCosts = {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
}

/** For the seal: tried once per start, so it may cost 256 MiB and a second or two. */
export const sealCosts: PassphraseCosts = { memory: 256 * 1024, passes: 3, parallelism: 1 }

const atLeast: PassphraseCosts = { memory: 64 * 1024, passes: 2, parallelism: 1 }
const atMost: PassphraseCosts = { memory: 2 * 1024 * 1024, passes: 16, parallelism: 16 }

/**
 * Stretches a passphrase to 32 bytes, off the event loop. The same text in another Unicode form gives the same bytes.
 * Throws `RangeError` for costs below what we use or above what a machine bears: they come from a stored row.
 */
export async function stretchPassphrase(
  passphrase: Secret,
  salt: Uint8Array,
  costs: PassphraseCosts,
): Promise<Secret> {
  for (const cost of ['memory', 'passes', 'parallelism'] as const)
    if (!(Number.isInteger(costs[cost]) && costs[cost] >= atLeast[cost] && costs[cost] <= atMost[cost]))
      throw new RangeError(`the ${cost} of a passphrase's stretching is out of bounds`)
  if (salt.length < 16) throw new RangeError('a salt has at least 16 bytes')
  const message = passphrase.expose((bytes) => Buffer.from(new TextDecoder().decode(bytes).normalize('NFC')))
  try {
    const stretched = await argon2Async('argon2id', {
      message,
      nonce: salt,
      memory: costs.memory,
      passes: costs.passes,
      parallelism: costs.parallelism,
      tagLength: 32,
    })
    return new Secret(new Uint8Array(stretched))
  } finally {
    message.fill(0)
  }
}
