import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AssistedVault, startAssistedVault } from '../../support/assisted-vault.ts'
import { must, refusalOf } from '../../support/vault.ts'
import { endSession, open, prove, startCall, makeSshKey, until } from '../../support/vault-ssh.ts'

/** What no machine changes, people change: two of them, in a recorded session, with a login or a signature at its end. */

const day = 24 * 3600_000
const mail = { server: 'mail.plant.example:587', from: 'tagout@plant.example' }
let world: AssistedVault
beforeAll(async () => {
  world = await startAssistedVault()
}, 60_000)
afterAll(() => world[Symbol.asyncDispose]())

const said = async (account: string) =>
  (await world.vault.ask('audit.list', { limit: 1_000 }))
    .filter(({ text }) => text.includes(account))
    .map(({ text }) => text)

test('a password is seen by one whom a second lets, set in a session, and current once a login has shown it', async () => {
  const { vault, people, as, work, task: now } = world
  const { name, user } = await world.account('fw', true)
  const plan = await vault.ask('rotation.plan', { account: name })
  expect(plan.obstacles).toEqual([])
  expect(plan.steps.join('; ')).toContain('another one lets them')
  const task = await world.open(name)
  expect(task).toMatchObject({
    ...{ kind: 'change', state: 'open', version: 2, logsIn: true, isOverdue: false, reason: 'yearly' },
    next: expect.stringContaining('take the task in that session') as string,
  })
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({
    ...{ kind: 'assist', phase: 'assisting', believes: 'current' },
  })
  const session = await world.session('fw')
  const secret = await world.see(task, session)
  expect(secret).not.toBe(user.password)
  expect(await now(task.id)).toMatchObject({
    ...{ state: 'revealed', changer: 'bob', approver: 'sue', session },
  })
  expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 1 } })
  const exposures = await vault.ask('exposure.list', { account: name })
  expect(exposures).toEqual([
    expect.objectContaining({ user: 'bob', version: 2, cause: 'rotation task', rotationDueAt: null }),
  ])
  user.password = secret
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set in TIA', workOrder: 'WO-17' }))
  // Said, and not yet shown.
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'verifying' })
  expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 1 } })
  await work(task.run)
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'done', version: 2 })
  expect(await now(task.id)).toMatchObject({
    state: 'done',
    note: 'set in TIA',
    workOrder: 'WO-17',
    next: null,
  })
  expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 2 } })
  await endSession(world.recorder, session)
  const log = (await said(name)).join('\n')
  for (const words of [
    'opened a task',
    'took the task in hand',
    'let bob see',
    'was shown version 2',
    'said that it is done',
  ])
    expect(log).toContain(words)
  expect(log).not.toContain(secret)
})

test('where no machine can look the second person signs, with evidence; until then nothing is called rotated', async () => {
  const { vault, people, as, task: now } = world
  const { name } = await world.account('drive', false)
  const task = await world.open(name)
  const session = await world.session('drive')
  await world.see(task, session)
  const evidence = { name: 'IMG_0815.jpg', sha256: 'ab'.repeat(32) }
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set at the panel', evidence }))
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'signing' })
  expect(await now(task.id)).toMatchObject({ state: 'made', logsIn: false, evidence })
  expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 1 } })
  must(
    await as(people.sue, 'task.sign', {
      ...{ task: task.id, note: 'logged in at the panel', totpCode: people.sue.code() },
    }),
  )
  expect(await now(task.id)).toMatchObject({
    state: 'done',
    signer: 'sue',
    signNote: 'logged in at the panel',
  })
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'done' })
  expect(await vault.ask('account.show', { account: name })).toMatchObject({ credential: { version: 2 } })
  await endSession(world.recorder, session)
})

test('a session that gets in with it is as good as a signature', async () => {
  const { vault, people, as, task: now, recorder } = world
  const { name } = await world.account('panel', false)
  const task = await world.open(name)
  const session = await world.session('panel')
  const secret = await world.see(task, session)
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set' }))
  await endSession(recorder, session)
  const key = makeSshKey('second')
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const proof = await prove(recorder, key, 'bob')
  const permit = must(await open(recorder, { proof, target: 'plc-7', account: 'panel' }))
  const call = startCall(permit.session)
  expect(call.read(must(await recorder.call('session.start', call.input)))).toBe(secret)
  must(await recorder.call('session.connected', { session: permit.session }))
  expect(await now(task.id)).toMatchObject({ state: 'done', signer: null })
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'done', version: 2 })
  await endSession(recorder, permit.session)
})

test('what is given up leaves the present one, which is looked at where something can look', async () => {
  const { vault, people, as, work, task: now } = world
  const unseen = await world.account('gives-up', false)
  const first = await world.open(unseen.name)
  must(
    await as(people.mia, 'task.drop', {
      task: first.id,
      reason: 'not this week',
      totpCode: people.mia.code(),
    }),
  )
  expect(await now(first.id)).toMatchObject({ state: 'dropped' })
  expect(await vault.ask('rotation.show', { run: first.run })).toMatchObject({
    ...{ phase: 'failed', believes: 'current', why: 'given up by mia: not this week' },
  })
  expect(await vault.ask('account.show', { account: unseen.name })).toMatchObject({
    credential: { version: 1 },
  })

  // It was set all the same: the machine says so, and the vault believes the machine.
  const { name, user } = await world.account('was-set', true)
  const task = await world.open(name)
  const session = await world.session('was-set')
  user.password = await world.see(task, session)
  must(await as(people.mia, 'task.drop', { task: task.id, reason: 'enough', totpCode: people.mia.code() }))
  await work(task.run)
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'done', version: 2 })
  expect(await now(task.id)).toMatchObject({ state: 'done' })
  await endSession(world.recorder, session)
})

test('one who types it wrong is found out: nobody knows which it takes, and both are kept', async () => {
  const { vault, people, as, work } = world
  const { name, user } = await world.account('typo', true)
  const task = await world.open(name)
  const session = await world.session('typo')
  const secret = await world.see(task, session)
  user.password = `${secret}x`
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set' }))
  await work(task.run)
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'unknown' })
  user.password = secret
  await vault.ask('rotation.retry', { run: task.run })
  await work(task.run)
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'done', version: 2 })
  await endSession(world.recorder, session)
})

test('a credential that is given by hand ends the task; so does its account’s removal', async () => {
  const { vault, task: now } = world
  const { name } = await world.account('by-hand', false)
  const task = await world.open(name)
  await vault.ask('account.secret', {
    account: name,
    credential: await vault.sealPassword(name, 'another-1'),
  })
  expect(await now(task.id)).toMatchObject({ state: 'dropped' })
  const again = await world.open(name)
  await vault.ask('account.remove', { account: name })
  await until(async () => ((await now(again.id)).state === 'dropped' ? true : undefined))
})

test('what is refused says what to do', async () => {
  const { vault, people, as } = world
  const { name } = await world.account('refused', false)
  await expect(vault.ask('rotation.batch', { accounts: [name], reason: 'all' })).rejects.toThrow(
    'changed by people',
  )
  const task = await world.open(name)
  expect(refusalOf(await vault.admin.call('rotation.start', { account: name })).message).toContain(
    'assisting',
  )
  const session = await world.session('refused')
  const bob = people.bob
  expect(refusalOf(await as(bob, 'task.make', { task: task.id, note: 'x' })).message).toContain('in hand')
  must(await as(bob, 'task.take', { task: task.id, session }))
  expect(refusalOf(await as(people.mia, 'task.take', { task: task.id, session })).message).toBe(
    'somebody has this task in hand',
  )
  expect(refusalOf(await world.reveal(bob, task)).message).toBe('nobody else has let you see it yet')
  must(await as(bob, 'task.release', { task: task.id, reason: 'shift is over' }))
  expect(await world.task(task.id)).toMatchObject({ state: 'open', changer: null })
  await endSession(world.recorder, session)
  expect(refusalOf(await as(bob, 'task.take', { task: task.id, session })).message).toContain(
    'no session of yours',
  )
  await expect(vault.ask('rotation.set', { account: name, profile: null, maxAgeDays: 30 })).rejects.toThrow(
    'which passwords its machine takes',
  )
})

test('it is due by age; people are reminded before its date and those above them after it, and not while it is paused', async () => {
  const { vault, task: now } = world
  const api = await vault.connect('api')
  for (const user of ['mia', 'ann']) await vault.ask('user.mail', { user, address: `${user}@plant.example` })
  const taken = async () => {
    const due = must(await api.call('notification.take', { mail, limit: 50 }))
    for (const { id } of due) must(await api.call('notification.done', { notification: id }))
    return due.flatMap((one) => (one.channel === 'mail' ? [`${one.to}: ${one.subject}`] : []))
  }
  const hears = async (to: string, words: string) => {
    const found: string[] = []
    await until(async () => {
      found.push(...(await taken()))
      return found.some((line) => line.startsWith(to) && line.includes(words)) ? true : undefined
    })
    return found
  }
  await taken()
  const { name } = await world.account('aged', false, { maxAgeDays: 1 })
  vault.advance(25 * 3600_000)
  const task = await until(async () => (await vault.ask('task.list', { account: name }))[0])
  expect(task).toMatchObject({ cause: 'age', askedBy: 'vault' })
  await hears('mia@', `the password of ${name} is to be changed by hand`)
  await vault.ask('task.postpone', {
    ...{ task: task.id, dueAt: new Date(vault.now().getTime() + 5 * day).toISOString() },
    ...{ pausedUntil: new Date(vault.now().getTime() + 4 * day).toISOString(), reason: 'the line is down' },
  })
  vault.advance(3 * day)
  await world.account('later', false)
  expect((await taken()).filter((line) => line.includes(name))).toEqual([])
  vault.advance(1.1 * day)
  await hears('mia@', 'due by')
  vault.advance(day)
  const told = await hears('ann@', 'overdue since')
  expect(told.some((line) => line.startsWith('mia@') && line.includes('overdue'))).toBe(true)
  expect(await now(task.id)).toMatchObject({ isOverdue: true })
  await vault.ask('task.drop', { task: task.id, reason: 'over' })
})
