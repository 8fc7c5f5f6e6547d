import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RotationId } from '../../../vault/kernel/id.ts'
import type { Connector } from '../../../vault/rotation/connector.ts'
import { connectors } from '../../../vault/rotation/connectors.ts'
import { type OldSwitch, type OldSwitchOptions, startOldSwitch } from '../../support/old-switch.ts'
import { drive, type Kill, secretsOf } from '../../support/rotation-drive.ts'
import { startSshd, whyNoSshd } from '../../support/sshd.ts'
import { type SwitchFault, switchFaults } from '../../support/switch-cli.ts'
import { startTelnet, whyNoTelnetd } from '../../support/telnet.ts'
import { refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

/** Command lines that are rotated by recipes: simulated switches, a real telnetd and a real sshd. */

let vault: TestVault
let worker: VaultClient
let connector: Connector
let cells = 0
beforeAll(async () => {
  vault = await startTestVault()
  worker = await vault.connect('rotation')
  await vault.ask('safe.add', { name: 'line-3' })
  const loaded = await connectors['network-cli']?.load()
  if (loaded === undefined) throw new Error('the connector is gone')
  connector = loaded
})
afterAll(async () => {
  process.stdout.write(`rotation by recipes: ${cells} cells of the fault matrix of switches\n`)
  await vault[Symbol.asyncDispose]()
})

const old = 'Old-Secret-of-1'
let count = 0
type Machine = Pick<OldSwitch, 'port' | 'pins'>

async function addTarget(machine: Machine, protocol: 'ssh' | 'telnet') {
  count += 1
  const name = `switch-${count}`
  const pin = protocol === 'telnet' ? 'unverified' : (machine.pins[0]?.fingerprint ?? '')
  await vault.ask('target.add', {
    ...{ name, safe: 'line-3', address: `${protocol}://127.0.0.1:${machine.port}`, pin },
  })
  return name
}

async function addAccount(target: string, login: string, password: string) {
  const account = `${target}/${login}`
  const credential = await vault.sealPassword(account, password)
  await vault.ask('account.add', { target, login, credential })
  return account
}

/** An account on a machine of its own, and how it is rotated. */
async function accountOn(
  machine: Machine,
  recipe: string,
  more: {
    readonly protocol?: 'ssh' | 'telnet'
    readonly login?: string
    readonly password?: string
    readonly enable?: string
    readonly set?: Omit<VerbInput<'rotation.set'>, 'account'>
  } = {},
) {
  const { protocol = 'ssh', login = 'tech', password = old } = more
  const target = await addTarget(machine, protocol)
  const account = await addAccount(target, login, password)
  if (more.enable !== undefined) {
    const secret = await addAccount(target, 'enable', more.enable)
    await vault.ask('account.elevation', { account, elevation: { kind: 'enable', account: secret } })
  }
  await vault.ask('rotation.set', { account, connector: 'network-cli', recipe, ...more.set })
  return account
}

const start = async (account: string) => (await vault.ask('rotation.start', { account })).id
const show = (run: RotationId) => vault.ask('rotation.show', { run })
const work = (run: RotationId, more: Parameters<typeof drive>[3] = {}) =>
  drive(vault, () => worker, run, more)
const ofSwitch = (options: Partial<OldSwitchOptions> = {}) =>
  startOldSwitch({ login: 'tech', password: old, ...options })

/** INVARIANT 3: what it takes now is the current password, the candidate, or one that was discarded. */
async function holds(account: string, machine: OldSwitch): Promise<void> {
  const kept = await secretsOf(vault, account)
  expect([kept.get('current'), kept.get('candidate'), kept.get('discarded')]).toContain(
    machine.state.running.passwords['tech'],
  )
}

/** Does not wait its whole time for a machine that says nothing more. */
function impatient(fault: SwitchFault): Connector {
  type At = Parameters<Connector['login']>[0]
  const within = (at: At): At => ({ ...at, withinMs: 2_000, signal: AbortSignal.timeout(2_000) })
  if (!fault.includes('nothing more')) return connector
  const { change, persist } = connector
  return {
    ...connector,
    change: (at, ...rest) => change(within(at), ...rest),
    ...(persist === undefined ? {} : { persist: (at, ...rest) => persist(within(at), ...rest) }),
  }
}

/** How it ends where nobody is killed. */
const ends: Readonly<Record<SwitchFault, 'done' | 'failed'>> = {
  obeys: 'done',
  'asks something else': 'failed',
  'closes before it hears the new one': 'failed',
  'closes when it heard the new one': 'failed',
  'closes when it took the new one': 'done',
  'says nothing more when it took the new one': 'done',
  'accepts and does not apply': 'failed',
  'applies and answers an error': 'done',
  'refuses the new one': 'failed',
  'loses its power before it heard the new one': 'failed',
  'loses its power when it took the new one': 'failed',
  'loses its power before it has saved': 'failed',
  'loses its power when it has saved': 'done',
  'cannot save': 'done',
  'saves and says nothing more': 'done',
}
const kills: readonly Kill[] = [null, { step: 1, at: 'done' }]

describe.each(switchFaults)('a switch that %s', (fault) => {
  test.each(kills)('is rotated or left as it was, with a worker killed at %o', async (kill) => {
    await using machine = await ofSwitch({ fault, lockOut: { refused: 3, ms: 60_000 } })
    const account = await accountOn(machine, 'cisco-ios')
    const run = await start(account)
    await work(run, {
      kill,
      after: () => holds(account, machine),
      load: async () => impatient(fault),
    })
    const { phase, why, next } = await show(run)
    const kept = await secretsOf(vault, account)
    expect(phase).toBe(ends[fault])
    // What the vault holds is what the machine takes, also after the next restart unless it said that it could not save.
    expect(kept.get('current')).toBe(machine.state.running.passwords['tech'])
    if (fault === 'cannot save') {
      expect([why, next]).toEqual([
        expect.stringContaining('forgotten at a restart'),
        expect.stringMatching(/save/),
      ])
    } else expect(kept.get('current')).toBe(machine.state.startup.passwords['tech'])
    expect(kept.has('candidate')).toBe(false)
    // The machine locks out at three: one refused login at the most, and another where nobody heard of the first.
    expect(machine.logins.filter(({ isIn }) => !isIn).length).toBeLessThanOrEqual(kill === null ? 1 : 2)
    cells += 1
  })
})

describe('each recipe that Tagout comes with, on a simulator of its command line', () => {
  test.each([
    ['cisco-ios', 'ios', 'ssh', {}],
    ['cisco-ios', 'ios', 'ssh', { enablePassword: 'Enable-Secret-1', isSlow: true }],
    ['cisco-ios', 'ios', 'telnet', { enablePassword: 'Enable-Secret-1' }],
    ['scalance', 'scalance', 'ssh', {}],
    ['scalance', 'scalance', 'telnet', { isSlow: true }],
    ['hirschmann-classic', 'hirschmann', 'ssh', { enablePassword: 'Enable-Secret-1' }],
    ['hirschmann-classic', 'hirschmann', 'telnet', { hostname: 'RS 7' }],
    ['moxa', 'moxa', 'ssh', { mostLength: 16 }],
    ['moxa', 'moxa', 'telnet', { mostLength: 16 }],
  ] as const)('%s on %s over %s, %o', async (recipe, dialect, protocol, more) => {
    await using machine = await ofSwitch({ dialect, protocol, leastLength: 8, ...more })
    const enable = 'enablePassword' in more ? { enable: more.enablePassword } : {}
    const account = await accountOn(machine, recipe, { protocol, ...enable })
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({ phase: 'done', why: '', persisted: true })
    await machine.pullPower()
    await machine.powerOn()
    const kept = await secretsOf(vault, account)
    expect(machine.state.running.passwords['tech']).toBe(kept.get('current'))
    expect(kept.get('current')).not.toBe(old)
    const check = await vault.ask('rotation.verify', { account })
    await work(check.id)
    expect(await show(check.id)).toMatchObject({ phase: 'done' })
    expect(machine.logins.every(({ isIn }) => isIn)).toBe(true)
    // At prompts without echo the password is alone on its line; elsewhere the recipe says that it is shown.
    const lines = machine.entered.filter((line) => line.includes(kept.get('current') ?? ''))
    expect(lines.length).toBeGreaterThan(0)
    if (recipe === 'hirschmann-classic') expect(new Set(lines)).toEqual(new Set([kept.get('current')]))
  })
})

test('scenario 3: an old switch is rotated and saved by night, loses its power in the middle, and keeps what it has', async () => {
  await using machine = await ofSwitch({
    ...{ isLegacy: true, isSlow: true, maxSessions: 1, enablePassword: 'Enable-Secret-1' },
    ...{ lockOut: { refused: 3, ms: 60_000 }, leastLength: 8, fault: 'loses its power before it has saved' },
  })
  const target = await addTarget(machine, 'ssh')
  const algorithms = ['group1-sha1', 'ssh-dss', '3des-cbc', 'hmac-md5'] as const
  const reason = 'replaced in March, order 4711'
  await vault.ask('target.legacy', { target, algorithms: [...algorithms], reason, forSeconds: 30 * 86_400 })
  const account = await addAccount(target, 'tech', old)
  const secret = await addAccount(target, 'enable', 'Enable-Secret-1')
  await vault.ask('account.elevation', { account, elevation: { kind: 'enable', account: secret } })
  // What enable asks for is no login's: no connector changes it, and that is said wherever it is listed.
  const why = expect.stringContaining('what enable asks for, which no connector changes') as string
  expect(await vault.ask('rotation.settings', { account: secret })).toMatchObject({ gradeReason: why })
  expect((await vault.ask('rotation.accounts', {})).find((one) => one.account === secret)).toMatchObject({
    ...{ how: 'not', grade: 'G4', gradeReason: why },
  })
  expect((await vault.ask('rotation.plan', { account: secret })).obstacles).toMatchObject([{ why }])
  const settings = { account, connector: 'network-cli', recipe: 'cisco-ios', maxAgeDays: 30 }
  await vault.ask('rotation.set', settings)

  // Night one: it takes the new password, and its power is pulled before it has saved it.
  vault.advance(31 * 86_400_000)
  await vault.ask('target.legacy', { target, algorithms: [...algorithms], reason, forSeconds: 30 * 86_400 })
  const first = await start(account)
  let after: number | undefined
  await work(first, {
    after: async () => {
      await holds(account, machine)
      if (machine.outages() > 0) after ??= machine.logins.length
    },
  })
  const resolved = await show(first)
  const tries = machine.logins.slice(after)
  expect(resolved).toMatchObject({ phase: 'failed', next: expect.stringContaining('tagout rotate') })
  expect(machine.outages()).toBe(1)
  expect(tries.map(({ isIn }) => isIn)).toEqual([false, true])
  expect((await secretsOf(vault, account)).get('current')).toBe(machine.state.startup.passwords['tech'])

  // Night two: it obeys. Then its power is pulled once more, and nothing is lost.
  vault.advance(86_400_000)
  const second = await start(account)
  const before = machine.logins.length
  await work(second)
  expect(await show(second)).toMatchObject({ phase: 'done', persisted: true, why: '' })
  const nightTwo = machine.logins.length - before
  await machine.pullPower()
  await machine.powerOn()
  const kept = await secretsOf(vault, account)
  expect(machine.state.running.passwords['tech']).toBe(kept.get('current'))
  const check = await vault.ask('rotation.verify', { account })
  await work(check.id)
  expect(await show(check.id)).toMatchObject({ phase: 'done' })
  process.stdout.write(
    `scenario 3: ${algorithms.join(', ')}; ${tries.length} logins after the outage, ${tries.filter(({ isIn }) => !isIn).length} of them refused; ${nightTwo} logins in the night that went well; ${machine.outages()} outages, the configuration kept over the last\n`,
  )
})

describe('what a switch may do besides', () => {
  test('another host key in between: it is sent nothing', async () => {
    await using machine = await ofSwitch()
    const account = await accountOn(machine, 'cisco-ios')
    const run = await start(account)
    let tried = 0
    await work(run, {
      before: async (call) => {
        if (call !== 2 && call !== 4) return
        await machine.pullPower()
        await machine.powerOn(call === 2)
        tried = machine.logins.length
      },
      after: async () => {
        if ((await show(run)).attempts > 0 && machine.outages() === 1)
          expect(machine.logins.length).toBe(tried)
      },
    })
    // It had forgotten the new password when it came back.
    expect(await show(run)).toMatchObject({ phase: 'failed' })
    expect((await secretsOf(vault, account)).get('current')).toBe(machine.state.running.passwords['tech'])
  })

  test('rules of its own: a password that it does not take is refused, and the present one stays', async () => {
    await using machine = await ofSwitch({ mostLength: 16 })
    const account = await accountOn(machine, 'cisco-ios')
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({
      phase: 'failed',
      why: expect.stringContaining('did not take it'),
    })
    // With the profile that fits it, it goes.
    await vault.ask('rotation.set', { account, profile: 'switch-16' })
    const again = await start(account)
    await work(again)
    expect(await show(again)).toMatchObject({ phase: 'done' })
  })

  test('sessions that are all taken: it is left as it was, and nobody is locked out', async () => {
    await using machine = await ofSwitch({ maxSessions: 0 })
    const account = await accountOn(machine, 'cisco-ios')
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({
      phase: 'failed',
      why: expect.stringContaining('too many sessions'),
    })
    expect(machine.logins).toEqual([{ login: 'tech', isIn: true }])
  })

  test('a higher level whose password nobody has named', async () => {
    await using machine = await ofSwitch({ enablePassword: 'Enable-Secret-1' })
    const account = await accountOn(machine, 'cisco-ios')
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({ phase: 'failed', why: expect.stringContaining('{enable}') })
  })

  test('a password changed by hand is set right by another account of the machine', async () => {
    await using machine = await ofSwitch()
    machine.state.running = {
      ...machine.state.running,
      passwords: { tech: 'changed-by-hand', admin: 'Admin-Secret-1' },
    }
    const account = await accountOn(machine, 'cisco-ios')
    const admin = await addAccount(account.slice(0, account.indexOf('/')), 'admin', 'Admin-Secret-1')
    await vault.ask('rotation.set', { account, reconcileAccount: admin })
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({ phase: 'done' })
    expect((await secretsOf(vault, account)).get('current')).toBe(machine.state.startup.passwords['tech'])
  })
})

describe('recipes', () => {
  const own = (change: object = {}) =>
    JSON.stringify({
      ...{ format: 'tagout/network-cli/1', name: 'ours', version: 1, title: 'Ours', tried: 'machine' },
      ...{ profile: 'switch', protocols: ['ssh'], prompts: ['{host}#'] },
      change: [
        { send: 'passwd', expect: ['New:'] },
        { send: '{candidate}', at: ['New:'], expect: ['{host}#'] },
      ],
      ...change,
    })

  test('are added by version, chosen by name, and taken away when nobody uses them', async () => {
    const added = await vault.ask('rotation.recipe.add', { document: own() })
    expect(added).toMatchObject({
      name: 'ours',
      version: 1,
      connector: 'network-cli',
      findings: [],
      accounts: 0,
    })
    expect(refusalOf(await vault.admin.call('rotation.recipe.add', { document: own() })).message).toBe(
      'document: version: there is, or was, a ours@1',
    )
    await using machine = await ofSwitch()
    const account = await accountOn(machine, 'ours', { set: { recipe: 'ours' } })
    await vault.ask('rotation.recipe.add', { document: own({ version: 2 }) })
    // Whoever was given the first stays with it.
    expect(await vault.ask('rotation.settings', { account })).toMatchObject({ recipe: 'ours@1' })
    const listed = await vault.ask('rotation.recipes', {})
    expect(listed.map(({ name, version }) => `${name}@${version}`)).toEqual([
      ...['cisco-ios@1', 'hirschmann-classic@1', 'influxdb-1@1', 'moxa@1', 'ours@2', 'ours@1'],
      ...['redfish-openbmc@1', 'scalance@1', 'unix-passwd@1'],
    ])
    expect(refusalOf(await vault.admin.call('rotation.recipe.remove', { recipe: 'ours@1' })).message).toBe(
      '1 accounts are rotated by ours@1',
    )
    await vault.ask('rotation.recipe.remove', { recipe: 'ours' })
    await vault.ask('rotation.set', { account, recipe: 'cisco-ios' })
    await vault.ask('rotation.recipe.remove', { recipe: 'ours@1' })
    expect(refusalOf(await vault.admin.call('rotation.recipe.show', { recipe: 'ours' })).code).toBe(
      'not_found',
    )
    // A name and version that was there once is not taken by another.
    expect(refusalOf(await vault.admin.call('rotation.recipe.add', { document: own() })).code).toBe(
      'conflict',
    )
    const log = JSON.stringify(await vault.ask('audit.list', { limit: 200 }))
    for (const kind of ['rotation.recipe-added', 'rotation.recipe-removed']) expect(log).toContain(kind)
  })

  test.each([
    [{ connector: 'network-cli', recipe: null }, 'recipe: network-cli changes nothing without one'],
    [{ connector: 'network-cli', recipe: 'nothing' }, 'there is no recipe nothing'],
    [{ connector: 'linux-password', recipe: 'moxa' }, 'recipe: moxa is for the connector network-cli'],
  ])('%j is refused', async (set, message) => {
    await using machine = await ofSwitch()
    const account = await addAccount(await addTarget(machine, 'ssh'), 'tech', old)
    expect(refusalOf(await vault.admin.call('rotation.set', { account, ...set })).message).toBe(message)
  })

  test('that Tagout comes with keep their names', async () => {
    const cisco = own({ name: 'cisco-ios', version: 7 })
    expect(refusalOf(await vault.admin.call('rotation.recipe.add', { document: cisco })).message).toContain(
      'is a recipe that Tagout comes with',
    )
    expect(refusalOf(await vault.admin.call('rotation.recipe.remove', { recipe: 'moxa' })).code).toBe(
      'conflict',
    )
  })
})

describe.skipIf(whyNoSshd() !== undefined)('a real machine, by the recipe unix-passwd', () => {
  test('over SSH, where its shell has a prompt', async () => {
    await using sshd = await startSshd()
    const account = await accountOn(sshd, 'unix-passwd', { login: sshd.user, password: sshd.password })
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({ phase: 'done', why: '' })
    const check = await vault.ask('rotation.verify', { account })
    await work(check.id)
    expect(await show(check.id)).toMatchObject({ phase: 'done' })
  })

  test.skipIf(whyNoTelnetd() !== undefined)('over Telnet, with telnetd and login', async () => {
    await using sshd = await startSshd()
    await using telnet = await startTelnet(sshd.password, 'login')
    const more = { protocol: 'telnet', login: sshd.user, password: sshd.password } as const
    const account = await accountOn({ port: telnet.port, pins: [] }, 'unix-passwd', more)
    const run = await start(account)
    await work(run)
    expect(await show(run)).toMatchObject({ phase: 'done', why: '' })
    const kept = await secretsOf(vault, account)
    expect(kept.get('current')).not.toBe(sshd.password)
    const check = await vault.ask('rotation.verify', { account })
    await work(check.id)
    expect(await show(check.id)).toMatchObject({ phase: 'done' })
  })
})
