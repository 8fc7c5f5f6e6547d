import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parsePrivateKey } from '../../../vault/release/ssh-private-key.ts'
import { noteExposure } from '../../../vault/accounts/exposure.ts'
import type { VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import type { RotationId } from '../../../vault/kernel/id.ts'
import { workOn } from '../../../vault/rotation/worker/work.ts'
import {
  type Behaviour,
  type FakeSshTarget,
  type FakeUser,
  startFakeSshTarget,
} from '../../support/fake-ssh-target.ts'
import { startSshd, type TestSshd, whyNoSshd } from '../../support/sshd.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import {
  connectSession,
  endSession,
  makeSshKey,
  open,
  prove,
  startCall,
  until,
} from '../../support/vault-ssh.ts'

const why = whyNoSshd()
if (why !== undefined) process.stderr.write(`rotation on real machines is left out: ${why}\n`)

let vault: TestVault
let worker: VaultClient
beforeAll(async () => {
  vault = await startTestVault()
  worker = await vault.connect('rotation')
})
afterAll(() => vault[Symbol.asyncDispose]())

/** Does what is due of a run until nothing is, as the worker does. */
async function work(run: RotationId): Promise<void> {
  const ports = {
    vault: async () => worker,
    onFault: (_: string, error: unknown) => expect.unreachable(String(error)),
  }
  while (await workOn(ports, run));
}

const show = (run: RotationId) => vault.ask('rotation.show', { run })

let count = 0
/** An account on a real machine, and how it is rotated. */
async function accountOn(sshd: TestSshd, key?: string) {
  count += 1
  const target = `machine-${count}`
  const safes = await vault.ask('safe.list', {})
  if (!safes.some(({ name }) => name === 'line-3')) await vault.ask('safe.add', { name: 'line-3' })
  await vault.ask('target.add', {
    ...{ name: target, safe: 'line-3', address: `ssh://127.0.0.1:${sshd.port}` },
    pin: sshd.pins[0]?.fingerprint ?? '',
  })
  const name = `${target}/${sshd.user}`
  const credential =
    key === undefined ? await vault.sealPassword(name, sshd.password) : await vault.sealKey(name, key)
  await vault.ask('account.add', { target, login: sshd.user, credential })
  await vault.ask('rotation.set', {
    account: name,
    connector: key === undefined ? 'linux-password' : 'linux-key',
  })
  return name
}

describe.skipIf(why !== undefined)('on a real machine', () => {
  test('a password is changed, verified and promoted; what was before is refused', async () => {
    await using sshd = await startSshd()
    const account = await accountOn(sshd)
    const plan = await vault.ask('rotation.plan', { account })
    expect(plan).toMatchObject({ obstacles: [], logins: { left: 3, of: 3 } })
    expect(plan.steps.length).toBe(4)
    const run = await vault.ask('rotation.start', { account, reason: 'a test' })
    expect(run).toMatchObject({ phase: 'waiting', cause: 'by hand', version: null })
    await work(run.id)
    expect(await show(run.id)).toMatchObject({ phase: 'done', version: 2, believes: 'candidate', why: '' })
    expect(await vault.ask('account.show', { account })).toMatchObject({ credential: { version: 2 } })
    // Once more: with what the vault has, and without what it had.
    const again = await vault.ask('rotation.start', { account })
    await work(again.id)
    expect(await show(again.id)).toMatchObject({ phase: 'done', version: 3 })
    const check = await vault.ask('rotation.verify', { account })
    await work(check.id)
    expect(await show(check.id)).toMatchObject({ kind: 'verify', phase: 'done' })
    const other = `${account.slice(0, account.indexOf('/'))}/nobody`
    const credential = await vault.sealPassword(other, 'kept and never changed')
    await vault.ask('account.add', {
      target: account.slice(0, account.indexOf('/')),
      login: 'nobody',
      credential,
    })
    const rowOf = async (name: string) =>
      (await vault.ask('rotation.accounts', {})).find((row) => row.account === name)
    expect(await rowOf(account)).toMatchObject({
      ...{ how: 'by hand', grade: 'G1', connector: 'linux-password', dueAt: null, isOverdue: false },
      last: { id: check.id, phase: 'done' },
    })
    expect(await rowOf(other)).toMatchObject({ how: 'not', grade: 'G4', connector: null, last: null })
    await vault.ask('rotation.set', { account, maxAgeDays: 30 })
    const since = Date.parse((await rowOf(account))?.since ?? '')
    expect(await rowOf(account)).toMatchObject({
      how: 'by itself',
      dueAt: new Date(since + 30 * 24 * 3600_000).toISOString(),
      isOverdue: false,
    })
    await vault.ask('rotation.set', { account, maxAgeDays: null, essential: true })
    expect(await rowOf(account)).toMatchObject({ how: 'by hand', dueAt: null })
    const entries = await vault.ask('audit.list', { limit: 200 })
    const said = JSON.stringify(entries)
    for (const kind of ['rotation.asked', 'rotation.step', 'rotation.moved']) expect(said).toContain(kind)
    expect(said).not.toContain(sshd.password)
  })

  test('a key is added beside the old one, which is taken away once the new one is in use; options stay', async () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const old = must(parsePrivateKey(Buffer.from(pem), undefined)).publicKey.blob.toString('base64')
    await using sshd = await startSshd({
      login: 'publickey',
      authorizedKey: `no-agent-forwarding ssh-ed25519 ${old} plant\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHWkHnYVrWfrYEnvaVk9H0a7mIH+kTaSRkXgfWIfJZ8i other`,
    })
    const account = await accountOn(sshd, pem)
    const run = await vault.ask('rotation.start', { account })
    await work(run.id)
    expect(await show(run.id)).toMatchObject({ phase: 'done', version: 2, why: '' })
    const keys = readFileSync(join(sshd.home, '.ssh', 'authorized_keys'), 'utf8')
      .trim()
      .split('\n')
    expect(keys.length).toBe(2)
    expect(keys.join()).not.toContain(old)
    expect(keys[0]).toMatch(/ other$/)
    expect(keys[1]).toMatch(/^no-agent-forwarding ssh-ed25519 \S+ tagout$/)
    const check = await vault.ask('rotation.verify', { account })
    await work(check.id)
    expect(await show(check.id)).toMatchObject({ phase: 'done' })
  })
})

describe('what stands before it', () => {
  let fake: FakeSshTarget
  let recorder: VaultClient
  const key = makeSshKey()
  beforeAll(async () => {
    fake = await startFakeSshTarget()
    recorder = await vault.worker()
    const safes = await vault.ask('safe.list', {})
    if (!safes.some(({ name }) => name === 'line-3')) await vault.ask('safe.add', { name: 'line-3' })
    const address = `ssh://127.0.0.1:${fake.port}`
    await vault.ask('target.add', { name: 'fake', safe: 'line-3', address, pin: fake.pin })
    await vault.person('bob', ['operator'])
    await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  })
  afterAll(() => fake[Symbol.asyncDispose]())

  let logins = 0
  async function account(behaviour: Behaviour = 'obeys') {
    logins += 1
    const login = `f${logins}`
    const user: FakeUser = { password: `S3cret-of-${login}`, behaviour, refused: 0, accepted: 0 }
    fake.users.set(login, user)
    const name = `fake/${login}`
    await vault.ask('account.add', {
      target: 'fake',
      login,
      credential: await vault.sealPassword(name, user.password),
    })
    await vault.ask('rotation.set', { account: name, connector: 'linux-password' })
    return { name, login, user }
  }
  const runsOf = (name: string) => vault.ask('rotation.list', { account: name })
  /** The worker, as it comes by: time goes on to whatever is due next. */
  async function later(run: RotationId) {
    const { dueAt } = await show(run)
    const wait = Date.parse(dueAt) - vault.now().getTime()
    if (wait > 0) vault.advance(wait + 1_000)
    await work(run)
  }

  test('it waits for whoever holds the account or is connected, and then begins by itself', async () => {
    const { name, login, user } = await account()
    await vault.grant('bob', name)
    const proof = await prove(recorder, key, 'bob')
    const permit = await connectSession(recorder, { proof, target: 'fake', account: login })
    const { id } = await vault.ask('rotation.start', { account: name })
    await work(id)
    expect(await show(id)).toMatchObject({ phase: 'waiting', why: `bob holds ${name}`, version: null })
    expect(user.accepted).toBe(0)
    await endSession(recorder, permit.session)
    vault.advance(61_000)
    await later(id)
    expect(await show(id)).toMatchObject({ phase: 'done' })
  })

  test('while it is changed nobody gets the account; in doubt they get what is likeliest, which settles it', async () => {
    const { name, login, user } = await account()
    await vault.grant('bob', name)
    const connecting = async () =>
      open(recorder, { proof: await prove(recorder, key, 'bob'), target: 'fake', account: login })
    const { id } = await vault.ask('rotation.start', { account: name })
    const ports = { vault: async () => worker, onFault: () => undefined }
    expect(await workOn(ports, id)).toBe(true)
    expect(refusalOf(await connecting())).toMatchObject({
      code: 'held',
      message: `the account ${name} is being rotated`,
    })
    // The machine goes away before it was tried.
    await fake.stop()
    await workOn(ports, id)
    await later(id)
    expect(await show(id)).toMatchObject({ phase: 'verifying', believes: 'candidate', attempts: 2 })
    const permit = must(await connecting())
    const call = startCall(permit.session)
    expect(call.read(must(await recorder.call('session.start', call.input)))).toBe(user.password)
    must(await recorder.call('session.connected', { session: permit.session }))
    expect(await show(id)).toMatchObject({ phase: 'done', version: 2 })
    await endSession(recorder, permit.session)
    await fake.start()
  })

  test('production is waited for, and the hold is lifted', async () => {
    const { name } = await account()
    await vault.ask('rotation.set', { account: name, maxAgeDays: 1 })
    await vault.ask('rotation.hold', { safe: 'line-3', reason: 'order 4711' })
    vault.advance(25 * 3600_000)
    const run = await until(async () => (await runsOf(name))[0], 15_000)
    expect(run).toMatchObject({ cause: 'age', askedBy: 'vault' })
    await work(run.id)
    expect(await show(run.id)).toMatchObject({
      phase: 'waiting',
      why: expect.stringContaining('order 4711') as string,
    })
    await vault.ask('rotation.unhold', { safe: 'line-3' })
    await later(run.id)
    expect(await show(run.id)).toMatchObject({ phase: 'done', version: 2 })
  })

  test('no more begin within an hour than may, in their turn; a leak waits for nobody', async () => {
    const [one, two, three, four] = [await account(), await account(), await account(), await account()]
    vault.advance(3_700_000)
    await vault.ask('rotation.limit', { safe: 'line-3', abreast: null, perHour: 1 })
    const start = async (name: string) => (await vault.ask('rotation.start', { account: name })).id
    const first = await start(one.name)
    await work(first)
    expect(await show(first)).toMatchObject({ phase: 'done' })
    const [second, third] = [await start(two.name), await start(three.name)]
    for (const run of [second, third]) {
      await work(run)
      expect(await show(run)).toMatchObject({
        phase: 'waiting',
        why: 'no more than 1 rotation may begin within an hour in its safe',
      })
    }
    const planned = await vault.ask('rotation.plan', { account: four.name })
    expect(planned.obstacles).toMatchObject([{ kind: 'limit' }])
    // Two wait before it: the third hour is its turn.
    const hours = (Date.parse(planned.earliest ?? '') - vault.now().getTime()) / 3_600_000
    expect(hours).toBeGreaterThan(2.9)
    const leaked = await vault.ask('rotation.leak', { account: four.name, reason: 'in a mail' })
    if (leaked.run === null) throw new Error('it is rotated')
    await work(leaked.run.id)
    expect(await show(leaked.run.id)).toMatchObject({ phase: 'done' })
    vault.advance(3_700_000)
    await work(second)
    await work(third)
    expect([(await show(second)).phase, (await show(third)).phase]).toEqual(['done', 'waiting'])
    expect(await vault.ask('rotation.limits', {})).toMatchObject([
      { safe: 'line-3', target: null, abreast: null, perHour: 1 },
    ])
    await vault.ask('rotation.limit', { safe: 'line-3', abreast: null, perHour: null })
    expect(await vault.ask('rotation.limits', {})).toEqual([])
    await later(third)
    expect(await show(third)).toMatchObject({ phase: 'done' })
  })

  test('no more go on at a time than may, also where two workers begin at the same moment', async () => {
    const names = [(await account()).name, (await account()).name, (await account()).name]
    await vault.ask('rotation.limit', { abreast: 1, perHour: null })
    const runs: RotationId[] = []
    for (const name of names) runs.push((await vault.ask('rotation.start', { account: name })).id)
    const boxKey = Buffer.alloc(32, 9).toString('base64')
    const given = await Promise.all(runs.map((run) => worker.call('rotation.step', { run, boxKey })))
    expect(given.filter(({ ok }) => ok).length).toBe(1)
    const shown = await Promise.all(runs.map(show))
    expect(
      shown.filter(({ why: text }) => text === 'no more than 1 rotation may go on at a time').length,
    ).toBe(2)
    const target = names[0]?.split('/')[0] ?? ''
    await vault.ask('rotation.limit', { abreast: null, perHour: null })
    await vault.ask('rotation.limit', { target, abreast: 1, perHour: null })
    expect(
      refusalOf(await vault.admin.call('rotation.limit', { safe: 'line-3', target, abreast: 1, perHour: 1 }))
        .message,
    ).toContain('a safe or of a target')
    await vault.ask('rotation.limit', { target, abreast: null, perHour: null })
    // Of the step that nobody did, nobody said what came of it.
    vault.advance(90_000)
    for (const run of runs) {
      await later(run)
      expect(['done', 'failed']).toContain((await show(run)).phase)
    }
  })

  test('it waits for its window, and for the next one where too little of it is left', async () => {
    const { name } = await account()
    const at = (ms: number) => new Date(vault.now().getTime() + ms).toISOString().slice(0, 16)
    const hour = 3600_000
    const calendars = { night: { zone: 'UTC', dates: [{ from: at(2 * hour), to: at(4 * hour) }] } }
    await vault.ask('policy.apply', { document: { version: 1, rules: [], calendars }, expected: null })
    await vault.ask('rotation.set', {
      account: name,
      calendar: 'night',
      grade: 'G2',
      gradeReason: 'drops sessions',
    })
    const { id } = await vault.ask('rotation.start', { account: name })
    await work(id)
    expect(await show(id)).toMatchObject({
      phase: 'waiting',
      why: expect.stringContaining('in the window night alone') as string,
    })
    await later(id)
    expect(await show(id)).toMatchObject({ phase: 'done' })
    vault.advance(2 * hour - 3 * 60_000)
    const { obstacles } = await vault.ask('rotation.plan', { account: name })
    expect(obstacles).toMatchObject([{ kind: 'window', why: expect.stringContaining('too soon') as string }])
  })

  test('it is rotated by itself after a check-in, after a reveal, and when an exposure is due', async () => {
    const { name, login } = await account()
    const { id } = await vault.ask('account.show', { account: name })
    const latest = (cause: string) =>
      until(
        async () => (await runsOf(name)).find((run) => run.cause === cause && run.endedAt === null),
        15_000,
      )
    const seenBy = async (version: number) => {
      const user = await vault.ask('user.show', { user: 'bob' })
      await vault.plane.world.vault.inTransaction((tx) => noteExposure(tx, user.id, id, version, 'a test'))
    }
    await vault.ask('rotation.set', { account: name, afterCheckIn: true })
    await vault.grant('bob', name)
    const proof = await prove(recorder, key, 'bob')
    const permit = await connectSession(recorder, { proof, target: 'fake', account: login })
    await endSession(recorder, permit.session)
    vault.advance(61_000)
    await later((await latest('check-in')).id)
    expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 2 } })

    await vault.ask('rotation.set', { account: name, afterCheckIn: false, afterReveal: true })
    await seenBy(2)
    await later((await latest('reveal')).id)

    await vault.ask('rotation.set', { account: name, afterReveal: false })
    await seenBy(3)
    vault.advance(31 * 24 * 3600_000)
    await later((await latest('exposure')).id)
    expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 4 } })
  })

  test('an essential account, one of another grade and one with a blocking dependant are not rotated by themselves', async () => {
    const { name } = await account()
    const set = (input: Omit<VerbInput<'rotation.set'>, 'account'>) =>
      vault.admin.call('rotation.set', { account: name, ...input })
    expect(refusalOf(await set({ essential: true, maxAgeDays: 1 })).message).toContain('essential')
    expect(refusalOf(await set({ connector: 'linux-key' })).message).toContain('has a password')
    expect(refusalOf(await set({ grade: 'G2' })).message).toContain('window')
    expect(refusalOf(await set({ grade: 'G4', gradeReason: 'x' })).message).toContain('owner')
    must(await set({ dependants: [{ place: 'historian', kind: 'blocks' }] }))
    const start = (more = {}) => vault.admin.call('rotation.start', { account: name, ...more })
    expect(refusalOf(await start())).toMatchObject({
      message: expect.stringContaining('historian') as string,
    })
    const run = must(await start({ despiteDependants: true }))
    expect(refusalOf(await start({ despiteDependants: true })).code).toBe('conflict')
    await vault.ask('rotation.cancel', { run: run.id, reason: 'not today' })
    must(await set({ grade: 'G0', gradeReason: 'it has no password' }))
    expect(refusalOf(await start({ despiteDependants: true })).message).toContain('G0')
  })

  test('of a batch the first goes alone; where it fails, no other is begun', async () => {
    const good = await Promise.all([account(), account(), account()])
    const bad = await account('accepts and does not apply')
    const batch = async (all: readonly { readonly name: string }[]) =>
      vault.ask('rotation.batch', { accounts: all.map(({ name }) => name), reason: 'yearly' })
    const fine = await batch(good)
    await work(fine[1]?.id as RotationId)
    expect(await show(fine[1]?.id as RotationId)).toMatchObject({ phase: 'waiting' })
    await work(fine[0]?.id as RotationId)
    for (const { id } of fine.slice(1)) await later(id)
    for (const { id } of fine) expect(await show(id)).toMatchObject({ phase: 'done' })
    const stopped = await batch([bad, ...good])
    for (const { id } of stopped) await later(id)
    expect((await Promise.all(stopped.map(({ id }) => show(id)))).map(({ phase }) => phase)).toEqual([
      'failed',
      ...good.map(() => 'cancelled'),
    ])
    for (const { user } of good) expect(user.accepted).toBe(2)
  })

  test('drift is found: a password that came back, and one that nobody knows', async () => {
    const { name, user } = await account()
    const old = user.password
    await work((await vault.ask('rotation.start', { account: name })).id)
    user.password = old
    const back = await vault.ask('rotation.verify', { account: name })
    await work(back.id)
    expect(await show(back.id)).toMatchObject({
      phase: 'failed',
      believes: 'nothing',
      why: expect.stringContaining('an earlier one came back') as string,
    })
    user.password = 'changed-by-hand'
    vault.advance(16 * 60_000)
    const lost = await vault.ask('rotation.verify', { account: name })
    await work(lost.id)
    expect(await show(lost.id)).toMatchObject({ why: expect.stringContaining('changed there') as string })
    expect(user.refused).toBe(3)
  })

  test('of one machine two accounts are rotated at a time, and the next waits for room', async () => {
    const all = await Promise.all([account(), account(), account()])
    const runs: RotationId[] = []
    for (const { name } of all) runs.push((await vault.ask('rotation.start', { account: name })).id)
    const boxKey = Buffer.alloc(32, 7).toString('base64')
    for (const run of runs.slice(0, 2)) must(await worker.call('rotation.step', { run, boxKey }))
    const third = runs[2] as RotationId
    expect(refusalOf(await worker.call('rotation.step', { run: third, boxKey })).message).toContain(
      '2 accounts of fake are rotated just now',
    )
    // Nobody says what came of them; their time is over, and there is room.
    vault.advance(90_000)
    await later(third)
    expect(await show(third)).toMatchObject({ phase: 'done' })
    for (const run of runs.slice(0, 2)) await later(run)
    for (const run of runs.slice(0, 2)) expect(await show(run)).toMatchObject({ phase: 'failed' })
  })

  test('a worker gets nothing of what is not due, signs nothing else, and nobody else is a worker', async () => {
    const { name } = await account()
    const boxKey = Buffer.alloc(32, 7).toString('base64')
    const { id } = await vault.ask('rotation.start', { account: name })
    expect(refusalOf(await recorder.call('rotation.step', { run: id, boxKey })).code).toBe('forbidden')
    expect(refusalOf(await vault.admin.call('rotation.step', { run: id, boxKey })).code).toBe('forbidden')
    expect(must(await worker.call('rotation.step', { run: id, boxKey }))).toMatchObject({
      step: 'change',
      privileged: null,
    })
    expect(refusalOf(await worker.call('rotation.step', { run: id, boxKey })).code).toBe('held')
    const signing = { run: id, which: 'current', algorithm: 'ssh-ed25519', data: 'AAAA' } as const
    expect(refusalOf(await worker.call('rotation.sign', { ...signing, generation: 1 })).code).toBe(
      'forbidden',
    )
    expect(refusalOf(await worker.call('rotation.sign', { ...signing, generation: 2 })).code).toBe('conflict')
    const seen = { step: 'login-candidate', result: { kind: 'accepted' } } as const
    const said = await worker.call('rotation.report', { run: id, generation: 1, seen, sent: true })
    expect(refusalOf(said).message).toContain('not of the step')
    expect(await show(id)).toMatchObject({ phase: 'changing' })
    expect(refusalOf(await vault.admin.call('rotation.cancel', { run: id, reason: 'x' })).code).toBe(
      'conflict',
    )
  })
})
