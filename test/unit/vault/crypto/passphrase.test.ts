import { expect, test } from 'vitest'
import { stretchPassphrase } from '../../../../vault/crypto/passphrase.ts'
import { Secret } from '../../../../vault/kernel/secret.ts'

const salt = new Uint8Array(16).fill(3)
const light = { memory: 64 * 1024, passes: 2, parallelism: 1 }

async function stretched(text: string, costs = light): Promise<string> {
  using passphrase = Secret.fromText(text)
  using key = await stretchPassphrase(passphrase, salt, costs)
  return key.expose((bytes) => Buffer.from(bytes).toString('hex'))
}

test('a passphrase gives the same key in either form of its accents', async () => {
  expect(await stretched('café')).toBe(await stretched('cafe\u0301'))
  expect(await stretched('cafe')).not.toBe(await stretched('café'))
})

test('costs from a stored row are bounded on both sides', async () => {
  for (const costs of [
    { ...light, memory: 1024 },
    { ...light, memory: 64 * 1024 * 1024 },
    { ...light, passes: 1 },
    { ...light, passes: 1000 },
    { ...light, parallelism: 0 },
    { ...light, memory: Number.NaN },
  ])
    await expect(stretched('x', costs)).rejects.toThrow(RangeError)
})

test('stretching leaves the event loop free', async () => {
  let longest = 0
  let before = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - before)
    before = performance.now()
  }, 5)
  const begun = before
  await stretched('a passphrase')
  clearInterval(timer)
  expect(longest).toBeLessThan((performance.now() - begun) / 2)
})
