import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../../vault/kernel/secret.ts'
import { parsePrivateKey } from '../../../vault/release/ssh-private-key.ts'
import { linuxPassword } from '../../../vault/rotation/connectors/linux-password.ts'
import { startFakeWindows, type FakeWindows } from '../../support/fake-windows.ts'
import { type Rotations, startRotations } from '../../support/rotations.ts'
import { startDropbear, type TestSshd, whyNoSshd } from '../../support/sshd.ts'
import { must } from '../../support/vault.ts'

/** Connectors of machines and devices, each against the real thing where one can be had; a fake says so in its name. */

const why = whyNoSshd()
if (why !== undefined) process.stderr.write(`rotation on real machines is left out: ${why}\n`)

let rotations: Rotations
beforeAll(async () => {
  rotations = await startRotations()
})
afterAll(() => rotations[Symbol.asyncDispose]())

const isRotated = (version: number) => ({ phase: 'done', version, believes: 'candidate', why: '' })
const refusesFor = (text: string) => ({
  phase: 'failed',
  believes: 'current',
  why: expect.stringContaining(text) as string,
})

/** A target of SSH with one account on it. */
async function addAccount(
  target: string,
  at: Pick<TestSshd, 'port'> & { readonly pin: string },
  login: string,
  given: { readonly password: string } | { readonly key: string },
  connector: string,
): Promise<string> {
  const { vault } = rotations
  const known = await vault.ask('target.list', {})
  if (!known.some(({ name }) => name === target)) {
    const address = `ssh://127.0.0.1:${at.port}`
    await vault.ask('target.add', { name: target, safe: 'line-3', address, pin: at.pin })
  }
  const account = `${target}/${login}`
  const credential =
    'key' in given
      ? await vault.sealKey(account, given.key)
      : await vault.sealPassword(account, given.password)
  await vault.ask('account.add', { target, login, credential })
  await vault.ask('rotation.set', { account, connector })
  return account
}

describe.skipIf(why !== undefined)('a real dropbear', () => {
  const pinned = (sshd: TestSshd) => ({ port: sshd.port, pin: sshd.pins[0]?.fingerprint ?? '' })

  test('has a password changed twice, verified, and takes none of the old ones', async () => {
    await using dropbear = await startDropbear()
    const { user, password } = dropbear
    const account = await addAccount('box', pinned(dropbear), user, { password }, 'linux-password')
    expect(await rotations.rotate(account)).toMatchObject(isRotated(2))
    expect(await rotations.rotate(account)).toMatchObject(isRotated(3))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    using old = new Secret(Buffer.from(password))
    const at = {
      target: { name: 'box', host: '127.0.0.1', port: dropbear.port, pins: dropbear.pins, legacy: null },
      account: { login: user, name: account },
      ...{ withinMs: 20_000, signal: AbortSignal.timeout(20_000) },
    }
    const { result } = await linuxPassword.login(at, { kind: 'password', secret: old })
    expect(result.kind).toBe('rejected')
  })

  test('has a key added beside the old one, which is taken away', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const blob = must(parsePrivateKey(Buffer.from(key), undefined)).publicKey.blob.toString('base64')
    await using dropbear = await startDropbear(`no-port-forwarding ssh-ed25519 ${blob} plant`)
    const account = await addAccount('keyed', pinned(dropbear), dropbear.user, { key }, 'linux-key')
    expect(await rotations.rotate(account)).toMatchObject(isRotated(2))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    const keys = readFileSync(join(dropbear.home, '.ssh', 'authorized_keys'), 'utf8')
    expect(keys).toMatch(/^no-port-forwarding ssh-ed25519 \S+ tagout\n$/)
    expect(keys).not.toContain(blob)
  })
})

describe('a fake of OpenSSH for Windows', () => {
  let windows: FakeWindows
  beforeAll(async () => {
    windows = await startFakeWindows()
  })
  afterAll(() => windows[Symbol.asyncDispose]())
  const account = (login: string, password = 'Old-Pass-1234') => {
    windows.users.set(login, { password, isAdmin: login.startsWith('admin') })
    return addAccount('scada', windows, login, { password }, 'windows-password')
  }

  test('has a local account change its own password, of which no command has a trace', async () => {
    const name = await account('operator')
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
    const password = await rotations.passwordOf(name)
    expect(windows.users.get('operator')?.password).toBe(password)
    expect(await rotations.verify(name)).toMatchObject({ phase: 'done' })
    expect(windows.commands.length).toBe(1)
    for (const command of windows.commands) {
      const script = Buffer.from(command.split(' ').at(-1) ?? '', 'base64').toString('utf16le')
      for (const secret of [password, 'Old-Pass-1234', 'operator'])
        expect(`${command} ${script}`).not.toContain(secret)
    }
  })

  test('keeps the password that its policy does not let go', async () => {
    const name = await account('kept')
    const user = windows.users.get('kept')
    if (user !== undefined) user.policy = 'refuses it'
    expect(await rotations.rotate(name)).toMatchObject(refusesFor('did not take the new password'))
    expect(await rotations.passwordOf(name)).toBe('Old-Pass-1234')
  })

  test('is believed by a login alone where it hung up', async () => {
    const name = await account('hung')
    const user = windows.users.get('hung')
    if (user !== undefined) user.policy = 'takes it and hangs up'
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
  })

  test('has the password of one who was changed by hand set by an administrator', async () => {
    const [name, admin] = [await account('astray'), await account('admin')]
    await rotations.vault.ask('rotation.set', { account: name, reconcileAccount: admin })
    const user = windows.users.get('astray')
    if (user !== undefined) user.password = 'Changed-by-hand-1'
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
    expect(user?.password).toBe(await rotations.passwordOf(name))
  })
})
