import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestInstallation, type TestInstallation } from '../support/installation.ts'
import { type SoftHsm, softHsmModule, startSoftHsm, whyNoSoftHsm } from '../support/softhsm.ts'

/** The keys of a running installation, by the command line. */
const why = whyNoSoftHsm()
if (why !== undefined) console.log(`the token is left out: ${why}`)
const pin = 'token-pin-48151'
let folder: string
let hsm: SoftHsm | undefined
let installation: TestInstallation
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagout-keys-e2e-'))
  // The vault may run as a user of its own.
  chmodSync(folder, 0o755)
  cpSync(join(import.meta.dirname, '../support/seal-plug-in.ts'), join(folder, 'kms.ts'))
  writeFileSync(join(folder, 'kms.key'), 'a key of the KMS')
  if (why === undefined) {
    hsm = await startSoftHsm()
    hsm.addToken('plant', pin)
    execFileSync('chmod', ['-R', 'a+rwX', hsm.folder])
  }
  const command = [process.execPath, join(folder, 'kms.ts'), 'good', join(folder, 'kms.key')]
  mkdirSync(join(folder, 'd'), { mode: 0o711 })
  writeFileSync(
    join(folder, 'd', 'tagout.json'),
    JSON.stringify({
      seal: {
        modules: { soft: { path: softHsmModule, env: hsm?.env ?? {} } },
        plugIns: { kms: { command } },
      },
    }),
  )
  installation = await startTestInstallation({ dataDir: join(folder, 'd'), withinMs: 150_000 })
  for (const safe of ['line-3', 'line-4']) await must(['safe', 'add', safe])
}, 200_000)
afterAll(async () => {
  await installation?.[Symbol.asyncDispose]()
  await hsm?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

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
  expect(await must(['keys', 'rotate-safe', 'line-3', '--dry-run'])).toContain(
    '0 keys would be wrapped anew; nothing was changed',
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
  expect(missing.stderr).toContain('there is no safe line-9')
  expect(missing.stderr).toContain('choose from line-3, line-4')
  // The key file opened the root key before this one; it opens this one too.
  await must(['seal'])
  expect(await must(['unseal'])).toContain('the vault is unsealed')
  const log = await must(['audit', 'list'])
  expect(log).toContain('root key')
})

test.skipIf(why !== undefined)(
  'a token, a plug-in and custodians open it, by the command line, after a start and after a restore',
  async () => {
    const token = ['--module', 'soft', '--token-label', 'plant', '--key-label', 'tagout', '--pin-stdin']
    expect(await must(['keys', 'list'])).toContain('only one way opens this vault besides its recovery key')
    expect(await must(['doctor'])).toContain('only one way opens this vault besides its recovery key')
    expect(await must(['keys', 'add', ...token, '--dry-run'], pin)).toContain('it can be added')
    expect(await must(['keys', 'add', ...token], pin)).toContain('token plant (soft), key tagout')
    expect(await must(['keys', 'add', '--plug-in', 'kms', '--dry-run'])).toContain('it can be added')
    expect(await must(['keys', 'add', '--plug-in', 'kms'])).toContain('plug-in kms')
    const set = ['--threshold', '2', '--custodian', 'anna,bob,carl', '--out', join(folder, 'shares')]
    await must(['custody', 'init', ...set])
    expect(await must(['keys', 'list'])).not.toContain('only one way')
    const wrong = await installation.tagout(['unseal', '--token', '--pin-stdin', '--dry-run'], {
      stdin: 'nope',
    })
    expect(wrong.stderr).toContain('the PIN of the token plant is wrong')
    expect(await must(['unseal', '--token', '--pin-stdin', '--dry-run'], pin)).toContain(
      'it opens this vault',
    )
    const seals = await installation.tagoutJson<readonly { id: string; kind: string }[]>(['keys', 'list'])
    await must(['keys', 'remove', seals.find(({ kind }) => kind === 'key-file')?.id ?? ''])
    await must(['backup', 'create', '--out', join(folder, 'whole.tar')])
    expect(readFileSync(join(folder, 'whole.tar')).includes(pin)).toBe(false)
    const log = await must(['audit', 'list'])
    for (const text of ['added a way to unseal the vault: token plant', 'rehearsed unsealing by pkcs11'])
      expect(log).toContain(text)
    await installation.stop()
    const data = join(folder, 'restored')
    await must(['backup', 'restore', join(folder, 'whole.tar'), '--data', data])
    installation = await startTestInstallation({ dataDir: data, withinMs: 150_000 })
    // By itself, by the plug-in: the settings came with the backup.
    expect(await must(['status'])).toContain('unsealed')
    await must(['seal'])
    expect(await must(['unseal', '--pin-stdin'], pin)).toContain('the vault is unsealed')
    await must(['seal'])
    const share = (name: string) => ['unseal', '--share-file', join(folder, 'shares', `${name}.share`)]
    expect(await must(share('anna'))).toContain('1 of 2 shares entered')
    expect(await must(share('carl'))).toContain('unsealed by the custodians')
    expect(installation.log()).not.toContain(pin)
  },
  400_000,
)
