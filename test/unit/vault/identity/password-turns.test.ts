import { expect, test } from 'vitest'
import { hashPassword } from '../../../../vault/identity/password.ts'

const pepper = new Uint8Array(32)

test('who is known goes before those who were waiting already', async () => {
  const done: string[] = []
  const work = (name: string, turn: 'known' | 'anybody') =>
    hashPassword('birch lantern 8851', pepper, undefined, turn).then(() => void done.push(name))
  // Two are at it at once; of the others each waits.
  const strangers = Array.from({ length: 8 }, (_, at) => work(`stranger ${at}`, 'anybody'))
  await work('bob', 'known')
  expect(done.indexOf('bob')).toBeLessThan(4)
  await Promise.all(strangers)
  expect(done).toHaveLength(9)
}, 120_000)
