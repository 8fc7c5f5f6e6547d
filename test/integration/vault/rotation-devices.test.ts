import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Secret } from '../../../vault/kernel/secret.ts'
import { parsePrivateKey } from '../../../vault/release/ssh-private-key.ts'
import { linuxPassword } from '../../../vault/rotation/connectors/linux-password.ts'
import { startFakeWindows, type FakeWindows } from '../../support/fake-windows.ts'
import { type Rotations, startRotations } from '../../support/rotations.ts'
import { type S7Policy, type S7Simulator, type S7User, startS7Simulator } from '../../support/s7-simulator.ts'
import { startDropbear, startSshd, sudoersOf, type TestSshd, whyNoSshd } from '../../support/sshd.ts'
import { must, refusalOf } from '../../support/vault.ts'
import { passwordFileOf, startVnc, type VncServer } from '../../support/vnc.ts'

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

const pinned = (sshd: TestSshd) => ({ port: sshd.port, pin: sshd.pins[0]?.fingerprint ?? '' })

/** A target of SSH with one account on it. */
async function addAccount(
  target: string,
  at: Pick<TestSshd, 'port'> & { readonly pin: string },
  login: string,
  given: { readonly password: string } | { readonly key: string },
  connector?: string,
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
  if (connector !== undefined) await vault.ask('rotation.set', { account, connector })
  return account
}

describe.skipIf(why !== undefined)('a real dropbear', () => {
  test('has a password changed twice, verified, and takes none of the old ones', async () => {
    await using dropbear = await startDropbear()
    const { user, password } = dropbear
    const account = await addAccount('box', pinned(dropbear), user, { password }, 'linux-password')
    expect(await rotations.rotate(account)).toMatchObject(isRotated(2))
    expect(await rotations.rotate(account)).toMatchObject(isRotated(3))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    using old = new Secret(Buffer.from(password))
    const at = {
      target: {
        name: 'box',
        protocol: 'ssh' as const,
        host: '127.0.0.1',
        port: dropbear.port,
        pins: dropbear.pins,
        legacy: null,
      },
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

const whyNoVnc = why ?? (existsSync('/usr/bin/Xtigervnc') ? undefined : 'TigerVNC is not installed')
describe.skipIf(whyNoVnc !== undefined)('a real TigerVNC', () => {
  let sshd: TestSshd
  let through: string
  let count = 0
  beforeAll(async () => {
    sshd = await startSshd()
    through = await addAccount('panel-host', pinned(sshd), sshd.user, { password: sshd.password })
  })
  afterAll(() => sshd[Symbol.asyncDispose]())

  /** An account of a server. */
  async function panel(vnc: VncServer, login: string) {
    count += 1
    const { vault } = rotations
    const target = `panel-${count}`
    const address = `vnc://127.0.0.1:${vnc.port}`
    await vault.ask('target.add', { name: target, safe: 'line-3', address, pin: 'unverified' })
    const account = `${target}/${login}`
    const credential = await vault.sealPassword(account, vnc.password)
    await vault.ask('account.add', { target, login, credential })
    await vault.ask('rotation.set', { account, connector: 'vnc-password' })
    return account
  }
  const set = (account: string, throughAccount: string) =>
    rotations.vault.admin.call('rotation.set', { account, throughAccount })

  test('has its password changed by the user that it runs as; it runs on, and the one for looking only stays', async () => {
    await using vnc = await startVnc('Old-8-ch', 'VncAuth', sshd.user)
    const account = await panel(vnc, 'screen')
    appendFileSync(vnc.passwordFile, '12345678')
    expect(await rotations.vault.ask('rotation.plan', { account })).toMatchObject({
      obstacles: [{ kind: 'through', until: null, next: expect.stringContaining('--through') as string }],
      settings: { profile: 'vnc', strength: { characters: 8, verdict: 'weak' } },
    })
    await expect(rotations.rotate(account)).rejects.toThrow('none is named')
    must(await set(account, through))
    const plan = await rotations.vault.ask('rotation.plan', { account })
    expect(plan).toMatchObject({ obstacles: [], settings: { throughAccount: through } })
    expect(plan.steps.join()).toContain(`log in as ${through} and set it (vnc-password)`)
    expect(await rotations.rotate(account)).toMatchObject(isRotated(2))
    expect(await rotations.rotate(account)).toMatchObject(isRotated(3))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
    expect((await rotations.passwordOf(account)).length).toBe(8)
    const bytes = readFileSync(vnc.passwordFile)
    expect([bytes.length, bytes.subarray(8).toString()]).toEqual([16, '12345678'])
    expect(readdirSync(vnc.home).filter((name) => name.includes('tagout'))).toEqual([])
    // Changed by hand: found, and set right by the next rotation, which needs nothing of the old one.
    writeFileSync(vnc.passwordFile, passwordFileOf('by-hand1'))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'failed', believes: 'nothing' })
    expect(await rotations.rotate(account)).toMatchObject(isRotated(4))
  })

  test('has its password changed by somebody who may act as its user by sudo', async () => {
    await using other = await startSshd()
    await using vnc = await startVnc('Old-8-ch', 'VncAuth', other.user)
    const account = await panel(vnc, other.user)
    must(await set(account, through))
    expect(await rotations.rotate(account)).toMatchObject(refusesFor('may not act as'))
    writeFileSync(sudoersOf(sshd), `${sshd.user} ALL=(${other.user}) NOPASSWD: ALL\n`, { mode: 0o440 })
    expect(await rotations.rotate(account)).toMatchObject(isRotated(3))
    expect(await rotations.verify(account)).toMatchObject({ phase: 'done' })
  })

  test('keeps its password, and the file is as it was, where that is not the one that it reads', async () => {
    await using vnc = await startVnc('Old-8-ch')
    await using other = await startVnc('Another8', 'VncAuth', sshd.user)
    const account = await panel(vnc, 'screen')
    must(await set(account, through))
    const before = readFileSync(other.passwordFile)
    expect(await rotations.rotate(account)).toMatchObject(refusesFor('does not read that file'))
    expect(readFileSync(other.passwordFile)).toEqual(before)
    expect(await rotations.passwordOf(account)).toBe('Old-8-ch')
  })

  test('is changed through accounts of its own host and safe alone, and not while those are in doubt', async () => {
    await using vnc = await startVnc('Old-8-ch', 'VncAuth', sshd.user)
    const account = await panel(vnc, 'screen')
    const { vault } = rotations
    const elsewhere = await vault.account({ safe: 'line-3', target: 'far', address: 'ssh://192.0.2.1:22' })
    const foreign = await vault.account({ safe: 'line-9', target: 'near', address: `ssh://127.0.0.1:22` })
    for (const { name } of [elsewhere, foreign])
      expect(refusalOf(await set(account, name)).message).toContain('another host or in another safe')
    expect(refusalOf(await set(account, account)).message).toContain('not changed through itself')
    must(await set(account, through))
    await vault.ask('rotation.set', { account: through, connector: 'linux-password' })
    const { id } = await vault.ask('rotation.start', { account: through })
    must(
      await rotations.worker.call('rotation.step', {
        run: id,
        boxKey: Buffer.alloc(32, 9).toString('base64'),
      }),
    )
    const { obstacles } = await vault.ask('rotation.plan', { account })
    expect(obstacles).toMatchObject([
      { kind: 'through', why: expect.stringContaining('rotated itself') as string },
    ])
    vault.advance(90_000)
    await rotations.work(id)
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

describe('a simulator of the web API of an S7-1500', () => {
  let plc: S7Simulator
  beforeAll(async () => {
    plc = await startS7Simulator()
    usual = { ...plc.policy }
    const address = `https://127.0.0.1:${plc.port}`
    await rotations.vault.ask('target.add', { name: 'plc', safe: 'line-3', address, pin: plc.pin })
  })
  let usual: S7Policy
  afterEach(() => {
    plc.mood = 'obeys'
    Object.assign(plc.policy, usual)
    expect(plc.sessions.size).toBe(0)
    // No machine was asked to refuse more than a lock-out lets it.
    for (const { refused } of plc.users.values()) expect(refused ?? 0).toBeLessThanOrEqual(3)
  })
  afterAll(() => plc[Symbol.asyncDispose]())

  const old = 'Project-"1\\2'
  /** A user of the project, and their account. */
  async function account(login: string) {
    const user: S7User = { password: old, inProject: old }
    plc.users.set(login, user)
    const name = `plc/${login}`
    const credential = await rotations.vault.sealPassword(name, old)
    await rotations.vault.ask('account.add', { target: 'plc', login, credential })
    await rotations.vault.ask('rotation.set', { account: name, connector: 's7-web-api' })
    return { name, user }
  }

  test('is asked for its policy, which narrows what is made; the password is changed and tried', async () => {
    const { name, user } = await account('operator')
    Object.assign(plc.policy, { max_password_length: 14, min_digits: 4, min_special_characters: 2 })
    plc.called.length = 0
    const plan = await rotations.vault.ask('rotation.plan', { account: name })
    expect(plan.steps[0]).toBe('ask plc which passwords it takes')
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
    expect(plc.called).toEqual([
      ...['Api.GetPasswordPolicy', 'Api.Login', 'Api.ChangePassword', 'Api.Logout'],
      ...['Api.Login', 'Api.Logout'],
    ])
    const password = await rotations.passwordOf(name)
    expect(user.password).toBe(password)
    expect(password).toMatch(/^.{14}$/)
    expect(password.replace(/\D/g, '').length).toBeGreaterThanOrEqual(4)
    const settings = await rotations.vault.ask('rotation.settings', { account: name })
    expect(settings).toMatchObject({
      profile: 's7-1500',
      strength: { characters: 14 },
      toldAt: expect.any(String) as string,
    })
    // It is asked again each time: the project has other rules by then.
    Object.assign(plc.policy, usual)
    expect(await rotations.rotate(name)).toMatchObject(isRotated(3))
    expect((await rotations.passwordOf(name)).length).toBe(20)
  })

  test('takes no password that fits its policy and ours: nothing is made, and that is said', async () => {
    const { name, user } = await account('tight')
    Object.assign(plc.policy, { min_password_length: 4, max_password_length: 5, min_digits: 4 })
    expect(await rotations.rotate(name)).toMatchObject({
      phase: 'failed',
      version: null,
      why: expect.stringContaining('choose another profile') as string,
    })
    expect(user.password).toBe(old)
    Object.assign(plc.policy, usual)
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
  })

  test('wants more digits than are made: it is said which, and what to do', async () => {
    const { name, user } = await account('digits')
    Object.assign(plc.policy, { min_digits: 9 })
    expect(await rotations.rotate(name)).toMatchObject({
      ...{ phase: 'failed', version: null },
      why: expect.stringContaining('more than 6 digits or signs in a password') as string,
    })
    expect(user.password).toBe(old)
  })

  test('has an expired password changed, which lets nobody in', async () => {
    const { name, user } = await account('expired')
    user.isExpired = true
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
    expect(user.isExpired).toBe(false)
  })

  test('of which a download brought the password of the project back is found out', async () => {
    const { name } = await account('drifted')
    expect(await rotations.rotate(name)).toMatchObject(isRotated(2))
    plc.download()
    expect(await rotations.verify(name)).toMatchObject({
      ...{ phase: 'failed', believes: 'nothing' },
      why: expect.stringContaining('an earlier one came back') as string,
    })
  })

  test.each([
    ['takes it and hangs up', isRotated(2)],
    ['takes it and answers an error', isRotated(2)],
    ['changes no passwords', refusesFor('TIA Portal 19')],
    ['is old', refusesFor('firmware 3.1')],
  ] as const)('that %s is believed by a login alone', async (mood, end) => {
    const { name, user } = await account(mood.replaceAll(' ', '-'))
    plc.mood = mood
    expect(await rotations.rotate(name)).toMatchObject(end)
    expect(user.password).toBe(await rotations.passwordOf(name))
  })

  test('without a session left is left as it is, and asked again by the next rotation', async () => {
    const { name } = await account('crowded')
    plc.mostSessions = 0
    expect(await rotations.rotate(name)).toMatchObject(refusesFor('no session left'))
    plc.mostSessions = 3
    expect(await rotations.rotate(name)).toMatchObject({ phase: 'done' })
  })

  test('with another certificate is sent nothing', async () => {
    const { name } = await account('elsewhere')
    await using other = await startS7Simulator()
    const address = `https://127.0.0.1:${other.port}`
    await rotations.vault.ask('target.address', { target: 'plc', address })
    await rotations.vault.ask('target.pin', { target: 'plc', fingerprint: plc.pin })
    await rotations.vault.ask('account.bind', { account: name })
    expect(await rotations.rotate(name)).toMatchObject(refusesFor('not the pinned one, so nothing was sent'))
    expect(other.called).toEqual([])
  })
})

test('shared, known and telling secrets are found, and none of them is said', async () => {
  const { vault } = rotations
  await vault.ask('safe.add', { name: 'line-7' })
  const add = (login: string, password: string, target = 'old-panel') =>
    vault.account({ target, login, safe: 'line-7', password })
  const [one, two] = [
    await add('anna', 'the Same-secret 7'),
    await add('bert', 'the Same-secret 7', 'other-panel'),
  ]
  const known = await add('WinCCConnect', '2WSXcder')
  const own = await add('operator', 'operator')
  const fine = await add('fine', 'nothing that anybody would guess')
  const { findings, left } = await vault.ask('rotation.findings', {})
  const of = (...names: readonly string[]) =>
    findings.filter(({ accounts }) => names.some((name) => accounts.includes(name)))
  expect(of(one.name)).toMatchObject([{ kind: 'shared', accounts: [one.name, two.name].toSorted() }])
  expect(of(known.name)).toMatchObject([{ kind: 'default' }])
  expect(of(own.name)).toMatchObject([{ kind: 'login' }])
  expect([of(fine.name), left]).toEqual([[], 0])
  expect(JSON.stringify(findings)).not.toMatch(/2WSXcder|Same-secret/)
  // Another secret, and it is gone.
  const credential = await vault.sealPassword(one.name, 'by now another one')
  await vault.ask('account.secret', { account: one.name, credential })
  expect(
    (await vault.ask('rotation.findings', {})).findings.some(({ accounts }) => accounts.includes(two.name)),
  ).toBe(false)
  // Who looks after one safe learns nothing of another's.
  await vault.ask('safe.add', { name: 'line-8' })
  const far = await vault.account({
    target: 'far-panel',
    login: 'bert',
    safe: 'line-8',
    password: 'the Same-secret 7',
  })
  const all = (await vault.ask('rotation.findings', {})).findings
  expect(all.some(({ accounts }) => accounts.includes(far.name))).toBe(true)
  const manager = await vault.person('mara', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-8', user: 'mara', permissions: ['approve'] })
  const api = await vault.connect('api')
  const seen = must(await api.call('rotation.findings', {}, manager.token))
  expect(seen).toEqual({ findings: [], looked: 1, left: 0 })
})
