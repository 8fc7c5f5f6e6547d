import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { VerbInput } from '../../../vault/contract.ts'
import type { RotationId } from '../../../vault/kernel/id.ts'
import { nextOfSchedule } from '../../../vault/rotation/schedule.ts'
import { type AssistedVault, startAssistedVault } from '../../support/assisted-vault.ts'
import type { FakeUser } from '../../support/fake-ssh-target.ts'
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

test('the ledger has each version, by whom, why, whether it was seen to work, and who has seen it', async () => {
  const { vault, people, as, work } = world
  const { name, user } = await world.account('ledger', true)
  const task = await world.open(name)
  const session = await world.session('ledger')
  user.password = await world.see(task, session)
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set' }))
  await work(task.run)
  await endSession(world.recorder, session)
  vault.advance(61_000)
  const good = user.password
  user.password = 'somebody else set this'
  const check = await vault.ask('rotation.verify', { account: name })
  await work(check.id)
  user.password = good
  const ledger = await vault.ask('rotation.ledger', { account: name })
  expect(ledger.versions).toEqual([
    expect.objectContaining({
      ...{ version: 2, state: 'current', cause: 'by hand', reason: 'yearly', run: task.run },
      verifiedAt: expect.any(String) as string,
      people: { changer: 'bob', approver: 'sue', signer: null },
      exposures: [expect.objectContaining({ user: 'bob', cause: 'rotation task' })],
    }),
    expect.objectContaining({ version: 1, state: 'retired', run: null, verifiedAt: null, exposures: [] }),
  ])
  expect(ledger.checks).toMatchObject([{ run: check.id, result: 'drift' }])
  // What a signature made current no machine has seen.
  const signed = await vault.ask('rotation.ledger', { account: 'plc-7/drive' })
  expect(signed.versions[0]).toMatchObject({ version: 2, verifiedAt: null, people: { signer: 'sue' } })
})

/** An account that a connector changes, on the same machine. */
async function machine(login: string, password: string, more: Partial<VerbInput<'rotation.set'>> = {}) {
  const user: FakeUser = { password, behaviour: 'obeys', refused: 0, accepted: 0 }
  world.fake.users.set(login, user)
  const name = `plc-7/${login}`
  const credential = await world.vault.sealPassword(name, password)
  await world.vault.ask('account.add', { target: 'plc-7', login, credential })
  await world.vault.ask('rotation.set', { account: name, connector: 'linux-password', ...more })
  return { name, user }
}

describe('other places that hold the same secret', () => {
  test('an account here takes it by its own connector, and a place outside is a task with evidence', async () => {
    const { vault, people, as, work } = world
    const copy = await machine('historian', 'Shared-1')
    const dependants = [
      { place: copy.name, kind: 'account' as const },
      { place: 'OPC server on hmi-2', kind: 'task' as const },
      { place: 'the binder', kind: 'told' as const },
    ]
    const main = await machine('scada', 'Shared-1', { dependants })
    expect((await vault.ask('rotation.settings', { account: main.name })).dependants).toEqual(dependants)
    // A copy is not changed by itself.
    expect(refusalOf(await vault.admin.call('rotation.start', { account: copy.name })).message).toBe(
      `it holds the secret of ${main.name}, and is changed with that one`,
    )
    const run = await vault.ask('rotation.start', { account: main.name })
    await work(run.id)
    const shown = async () => (await vault.ask('rotation.show', { run: run.id })).dependants
    expect(await vault.ask('rotation.show', { run: run.id })).toMatchObject({ phase: 'done' })
    expect((await shown()).map(({ place, state }) => [place, state])).toEqual([
      ['OPC server on hmi-2', 'open'],
      [copy.name, 'open'],
    ])
    vault.advance(6_000)
    const carried = await until(async () => (await vault.ask('rotation.list', { account: copy.name }))[0])
    expect(carried).toMatchObject({
      cause: 'dependant',
      askedBy: 'vault',
      reason: `it holds the secret of ${main.name}`,
    })
    await work(carried.id)
    expect(await vault.ask('rotation.show', { run: carried.id })).toMatchObject({ phase: 'done' })
    expect(copy.user.password).toBe(main.user.password)
    expect(main.user.password).not.toBe('Shared-1')
    const place = (await vault.ask('task.list', { account: main.name }))[0]
    expect(place).toMatchObject({ kind: 'place', place: 'OPC server on hmi-2', state: 'open' })
    if (place === undefined) return
    must(
      await as(people.mia, 'task.make', {
        task: place.id,
        note: 'set, and read a tag',
        evidence: { name: 'tag.png' },
      }),
    )
    expect((await shown()).map(({ state }) => state)).toEqual(['done', 'done'])
  })

  test('one that does not take it stays open, and is tried again; the account itself is rotated all the same', async () => {
    const { vault, work } = world
    const copy = await machine('mirror', 'Shared-2')
    const main = await machine('origin', 'Shared-2', { dependants: [{ place: copy.name, kind: 'account' }] })
    copy.user.behaviour = 'refuses the new one'
    const run = await vault.ask('rotation.start', { account: main.name })
    await work(run.id)
    vault.advance(6_000)
    const first = await until(async () => (await vault.ask('rotation.list', { account: copy.name }))[0])
    await work(first.id)
    expect(await vault.ask('rotation.show', { run: first.id })).toMatchObject({ phase: 'failed' })
    expect((await vault.ask('rotation.show', { run: run.id })).dependants).toMatchObject([{ state: 'open' }])
    copy.user.behaviour = 'obeys'
    vault.advance(6.1 * 3600_000)
    const again = await until(async () =>
      (await vault.ask('rotation.list', { account: copy.name })).find(({ id }) => id !== first.id),
    )
    await work(again.id)
    expect(copy.user.password).toBe(main.user.password)
    expect((await vault.ask('rotation.show', { run: run.id })).dependants).toMatchObject([{ state: 'done' }])
  })

  test('no secret goes to another safe, to itself, or round in a ring', async () => {
    const { vault } = world
    const [one, two] = [await machine('ring-1', 'Shared-3'), await machine('ring-2', 'Shared-3')]
    const other = await vault.account({ target: 'press-9', login: 'x', safe: 'line-9' })
    const set = async (account: string, place: string) =>
      refusalOf(await vault.admin.call('rotation.set', { account, dependants: [{ place, kind: 'account' }] }))
        .message
    expect(await set(one.name, other.name)).toContain('is in another safe')
    expect(await set(one.name, one.name)).toContain('no copy of itself')
    await vault.ask('rotation.set', { account: one.name, dependants: [{ place: two.name, kind: 'account' }] })
    expect(await set(two.name, one.name)).toContain('has copies of its own')
  })
})

test('a schedule comes in the time of its zone, whatever the clock does that day', async () => {
  const { vault, work } = world
  const { name } = await machine('yearly', 'S3cret-1')
  const set = (cron: string, zone = 'Europe/Berlin') =>
    vault.admin.call('rotation.set', { account: name, schedule: { cron, zone } })
  expect(refusalOf(await set('0 2 * *')).message).toContain('five fields')
  expect(refusalOf(await set('0 * * * *')).message).toContain('too often')
  expect(refusalOf(await set('0 0 31 2 *')).message).toContain('no time that ever comes')
  expect(refusalOf(await set('0 2 1 * *', 'Europe/Nowhere')).message).toContain('there is none of the name')
  const { dueAt } = must(await set('30 2 * * *'))
  expect(nextOfSchedule('30 2 * * *', 'Europe/Berlin', new Date('2027-03-27T12:00:00Z'))?.toISOString()).toBe(
    '2027-03-28T01:30:00.000Z',
  )
  const [first, second] = ['2027-10-30T12:00:00Z', '2027-10-31T00:30:00Z'].map((at) =>
    nextOfSchedule('30 2 * * *', 'Europe/Berlin', new Date(at))?.toISOString(),
  )
  expect([first, second]).toEqual(['2027-10-31T00:30:00.000Z', '2027-11-01T01:30:00.000Z'])
  vault.advance(Date.parse(dueAt ?? '') - vault.now().getTime() + 6_000)
  const run = await until(async () => (await vault.ask('rotation.list', { account: name }))[0])
  expect(run).toMatchObject({ cause: 'schedule', askedBy: 'vault' })
  await work(run.id)
  expect(Date.parse((await vault.ask('rotation.settings', { account: name })).dueAt ?? '')).toBeGreaterThan(
    vault.now().getTime(),
  )
  await vault.ask('rotation.set', { account: name, schedule: null })
})

test('what has leaked is changed at once, before its window where that was said; and people hear of it', async () => {
  const { vault, work, task: now } = world
  const at = (ms: number) => new Date(vault.now().getTime() + ms).toISOString().slice(0, 16)
  const calendars = { later: { zone: 'UTC', dates: [{ from: at(20 * day), to: at(21 * day) }] } }
  await vault.ask('policy.apply', { document: { version: 1, rules: [], calendars }, expected: null })
  const { name } = await machine('leaky', 'S3cret-1', { calendar: 'later' })
  const waits = must(await vault.admin.call('rotation.leak', { account: name, reason: 'in a mail' }))
  await work(waits.run?.id as RotationId)
  expect(await vault.ask('rotation.show', { run: waits.run?.id as RotationId })).toMatchObject({
    ...{ phase: 'waiting', why: expect.stringContaining('in the window later alone') as string },
  })
  await vault.ask('rotation.set', { account: name, leakAtOnce: true })
  const { run } = await vault.ask('rotation.leak', { account: name, reason: 'in two mails' })
  expect(run).toMatchObject({ cause: 'leak', reason: 'in two mails' })
  await work(run?.id as RotationId)
  expect(await vault.ask('rotation.show', { run: run?.id as RotationId })).toMatchObject({ phase: 'done' })
  // By people: within a day.
  const byHand = await world.account('leaked', false)
  const told = must(await vault.admin.call('rotation.leak', { account: byHand.name, reason: 'on a note' }))
  const task = (await vault.ask('task.list', { account: byHand.name }))[0]
  expect(told.run).toMatchObject({ kind: 'assist', phase: 'assisting' })
  expect(Date.parse(task?.dueAt ?? '') - vault.now().getTime()).toBeLessThan(25 * 3600_000)
  if (task !== undefined) await vault.ask('task.drop', { task: task.id, reason: 'over' })
  expect(task === undefined ? undefined : (await now(task.id)).state).toBe('dropped')
  // Of what nothing changes, it is said, and what to do.
  const fixed = await vault.account({ target: 'press-9', login: 'fixed', safe: 'line-9' })
  expect(await vault.ask('rotation.leak', { account: fixed.name, reason: 'x' })).toMatchObject({
    ...{ run: null, why: `nobody has said how ${fixed.name} is rotated` },
  })
  const log = await said(fixed.name)
  expect(log.join()).toContain('has leaked')
})

test('the calendar says what is due, in which window it can begin, and what fits none', async () => {
  const { vault } = world
  const at = (ms: number) => new Date(vault.now().getTime() + ms).toISOString().slice(0, 16)
  const calendars = {
    soon: { zone: 'UTC', dates: [{ from: at(12 * day), to: at(13 * day) }] },
    never: { zone: 'UTC', dates: [{ from: at(3 * day), to: at(3 * day + 60_000) }] },
  }
  const { digest } = await vault.ask('policy.show', {})
  await vault.ask('policy.apply', {
    document: { version: 1, rules: [], calendars },
    expected: digest ?? null,
  })
  await machine('in-window', 'S3cret-1', { calendar: 'soon', maxAgeDays: 10 })
  await machine('too-short', 'S3cret-1', { calendar: 'never', maxAgeDays: 1 })
  await machine('not-yet', 'S3cret-1', { maxAgeDays: 300 })
  await vault.ask('rotation.hold', { safe: 'line-3', reason: 'order 4711' })
  const line = (await vault.ask('rotation.calendar', { days: 30 })).find(({ safe }) => safe === 'line-3')
  expect(line?.hold).toMatchObject({ reason: 'order 4711' })
  expect(line?.windows.map(({ calendar }) => calendar)).toEqual(['never', 'soon'])
  const due = new Map(line?.due.map((one) => [one.account, one]))
  expect(due.get('plc-7/in-window')).toMatchObject({ fits: true, how: 'by itself', calendar: 'soon' })
  expect(due.get('plc-7/in-window')?.beginsAt?.slice(0, 16)).toBe(calendars.soon.dates[0]?.from)
  expect(due.get('plc-7/too-short')).toMatchObject({ fits: false, beginsAt: null })
  expect(due.has('plc-7/not-yet')).toBe(false)
  await vault.ask('rotation.unhold', { safe: 'line-3' })
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
