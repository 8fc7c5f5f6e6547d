import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'

/** The keys of a running installation, by the command line. */
let installation: TestInstallation
beforeAll(async () => {
  installation = await startTestInstallation({ withinMs: 150_000 })
  for (const safe of ['line-3', 'line-4']) await must(['safe', 'add', safe])
}, 200_000)
afterAll(() => installation?.[Symbol.asyncDispose]())

async function must(args: readonly string[], stdin?: string): Promise<string> {
  const ran = await installation.tagout(args, stdin === undefined ? {} : { stdin })
  expect(ran.code, `${args.join(' ')}: ${ran.stderr}`).toBe(0)
  return ran.stdout + ran.stderr
}

test('the root key and the key of a safe are exchanged, and the status says how far that is', async () => {
  expect(await must(['keys', 'status'])).toContain('no key has been exchanged')
  expect(await must(['keys', 'rotate-root', '--dry-run'])).toContain('2 keys would be wrapped anew')
  expect(await must(['keys', 'status'])).toContain('the root key is of version 1')
  expect(await must(['keys', 'rotate-root'])).toMatch(
    /the root key is exchanged \(version 2\), and the old one gone: 2 keys were wrapped anew/,
  )
  expect(await must(['keys', 'rotate-safe', 'line-3'])).toContain(
    'the key of safe line-3 is exchanged (version 2)',
  )
  const status = await installation.tagoutJson<{
    rootVersion: number
    rotations: readonly Record<string, unknown>[]
  }>(['keys', 'status'])
  expect(status.rootVersion).toBe(2)
  expect(status.rotations).toMatchObject([
    { what: 'safe', safe: 'line-3', state: 'finished', done: 0, total: 0 },
    { what: 'root', safe: null, state: 'finished', done: 2, total: 2 },
  ])
  const missing = await installation.tagout(['keys', 'rotate-safe', 'line-9'])
  expect(missing.code).not.toBe(0)
  expect(missing.stderr).toContain('there is no such safe')
  // The key file opened the root key before this one; it opens this one too.
  await must(['seal'])
  expect(await must(['unseal'])).toContain('the vault is unsealed')
  const log = await must(['audit', 'list'])
  expect(log).toContain('root key')
})
