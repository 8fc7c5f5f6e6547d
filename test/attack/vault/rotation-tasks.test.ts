import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RotationId, SessionId } from '../../../vault/kernel/id.ts'
import { type AssistedVault, startAssistedVault } from '../../support/assisted-vault.ts'
import { must, refusalOf } from '../../support/vault.ts'
import { endSession } from '../../support/vault-ssh.ts'

/** Whoever would be both people of a task, see its secret without the other, or have it taken for changed. */

let world: AssistedVault
let superuser: pg.Client
beforeAll(async () => {
  world = await startAssistedVault()
  superuser = new pg.Client({ connectionString: world.vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await world[Symbol.asyncDispose]()
})

/** A task in bob's hands. */
async function taken(login: string, logsIn = false) {
  const { name, user } = await world.account(login, logsIn)
  const task = await world.open(name)
  const session = await world.session(login)
  must(await world.as(world.people.bob, 'task.take', { task: task.id, session }))
  return { name, user, task, session }
}
const approve = (who = world.people.sue, task = '') =>
  world.as(who, 'task.approve', { task: task as never, totpCode: who.code() })
const versionOf = async (account: string) =>
  (await world.vault.ask('account.show', { account })).credential?.version

test('nobody lets themselves see it, nor signs what they have changed, as one user or as two', async () => {
  const { vault, people, as } = world
  const { name, task, session } = await taken('own')
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use', 'approve'] })
  expect(refusalOf(await approve(people.bob, task.id)).code).toBe('forbidden')
  const twin = await vault.person('twin', ['approver'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'twin', permissions: ['approve'] })
  await vault.ask('user.mail', { user: 'bob', address: 'bob@plant.example' })
  await vault.ask('user.mail', { user: 'twin', address: 'Bob+two@plant.example' })
  expect(refusalOf(await approve(twin, task.id)).code).toBe('forbidden')
  // Two when it was approved, one when it is to be shown.
  await vault.ask('user.mail', { user: 'twin', address: 'twin@plant.example' })
  must(await approve(twin, task.id))
  await vault.ask('user.samePerson', { user: 'twin', as: 'bob' })
  expect(refusalOf(await world.reveal(people.bob, task)).message).toContain('is you')
  must(await as(people.bob, 'task.release', { task: task.id, reason: 'again' }))
  must(await as(people.bob, 'task.take', { task: task.id, session }))
  must(await approve(people.sue, task.id))
  must(await world.reveal(people.bob, task))
  must(await as(people.bob, 'task.make', { task: task.id, note: 'set' }))
  for (const who of [people.bob, twin])
    expect(
      refusalOf(await as(who, 'task.sign', { task: task.id, note: 'seen', totpCode: who.code() })).code,
    ).toBe('forbidden')
  // Nor do they say alone that it was not set.
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use', 'manage'] })
  expect(
    refusalOf(await as(people.bob, 'task.drop', { task: task.id, reason: 'x', totpCode: people.bob.code() })),
  ).toMatchObject({ code: 'forbidden' })
  expect(await versionOf(name)).toBe(1)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'bob', permissions: ['use'] })
  await vault.ask('task.drop', { task: task.id, reason: 'over' })
  await endSession(world.recorder, session)
})

test('nobody from outside has a hand in it, whatever a row lets them do', async () => {
  const { vault, as } = world
  const { task, session } = await taken('outside')
  await vault.ask('task.release', { task: task.id, reason: 'x' })
  const company = await vault.ask('company.add', {
    ...{
      name: 'acme',
      contractEndsAt: new Date(vault.now().getTime() + 30 * 86_400_000).toISOString(),
      sponsor: 'ann',
      mailDomains: ['acme.example'],
    },
  })
  const { enrolment } = await vault.ask('company.invite', {
    ...{ company: company.name, name: 'vic', mail: 'vic@acme.example' },
  })
  const vic = await vault.enrol(enrolment.token)
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'vic', permissions: ['use'] })
  const asked = [
    await as(vic, 'task.take', { task: task.id, session }),
    await as(vic, 'task.make', { task: task.id, note: 'x' }),
    await approve(vic, task.id),
    await world.reveal(vic, task),
    await as(vic, 'task.sign', { task: task.id, note: 'x', totpCode: vic.code() }),
  ]
  expect(asked.map((one) => refusalOf(one).code)).toEqual(asked.map(() => 'forbidden'))
  expect(must(await as(vic, 'task.list', { all: true }))).toEqual([])
  await vault.ask('task.drop', { task: task.id, reason: 'over' })
  await endSession(world.recorder, session)
})

test('it is shown once for each approval, to the very user, while their session runs', async () => {
  const { people, as } = world
  const { task, session } = await taken('once')
  must(await approve(people.sue, task.id))
  expect(refusalOf(await world.reveal(people.mia, task)).code).toBe('forbidden')
  expect(refusalOf(await world.reveal(people.sue, task)).code).toBe('forbidden')
  must(await world.reveal(people.bob, task))
  expect(refusalOf(await world.reveal(people.bob, task)).message).toBe('it was shown already')
  // Nor by taking it anew without anybody.
  must(await as(people.bob, 'task.release', { task: task.id, reason: 'again' }))
  must(await as(people.bob, 'task.take', { task: task.id, session }))
  expect(refusalOf(await world.reveal(people.bob, task)).message).toContain('nobody else has let you')
  must(await approve(people.sue, task.id))
  await endSession(world.recorder, session)
  expect(refusalOf(await world.reveal(people.bob, task)).message).toContain('no session of yours')
  await world.vault.ask('task.drop', { task: task.id, reason: 'over' })
})

test('a session that a row alone knows is none; another’s is none either', async () => {
  const { people, as } = world
  const { name } = await world.account('rows', false)
  const task = await world.open(name)
  const session = await world.session('rows')
  expect(refusalOf(await as(people.mia, 'task.take', { task: task.id, session })).message).toContain(
    'no session of yours',
  )
  const forged = 'ses_00000000000000000000000001' as SessionId
  await superuser.query(
    `insert into session select copy.* from (select * from session where id = $1) model,
       lateral jsonb_populate_record(null::session, to_jsonb(model) || jsonb_build_object('id', $2::text, 'recording_id', 'rec_00000000000000000000000001')) copy`,
    [session, forged],
  )
  await endSession(world.recorder, session)
  expect(refusalOf(await as(people.bob, 'task.take', { task: task.id, session: forged })).message).toContain(
    'no session of yours',
  )
  await superuser.query('delete from session where id = $1', [forged])
  await world.vault.ask('task.drop', { task: task.id, reason: 'over' })
})

test('nothing becomes current without a login or a signature, whatever a worker says', async () => {
  const { vault, people, as } = world
  const { name, user, task, session } = await taken('promote', true)
  const worker = await vault.connect('rotation')
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  const step = (run: RotationId) => worker.call('rotation.step', { run, boxKey })
  const tells = (run: RotationId) =>
    worker.call('rotation.report', {
      ...{ run, generation: 1, sent: true },
      seen: { step: 'login-candidate', result: { kind: 'accepted' } },
    })
  expect(refusalOf(await step(task.run)).message).toBe('nothing of this run is due')
  expect(refusalOf(await tells(task.run)).code).toBe('conflict')
  must(await approve(people.sue, task.id))
  must(await world.reveal(people.bob, task))
  expect(refusalOf(await tells(task.run)).code).toBe('conflict')
  expect(
    refusalOf(await as(people.sue, 'task.sign', { task: task.id, note: 'x', totpCode: people.sue.code() }))
      .message,
  ).toContain('logs in and looks')
  must(await as(people.bob, 'task.make', { task: task.id, note: 'I said so' }))
  await world.work(task.run)
  // The machine was asked, and takes the present one.
  expect(user.accepted).toBeGreaterThan(0)
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'failed' })
  expect(await world.task(task.id)).toMatchObject({ state: 'dropped' })
  expect(await versionOf(name)).toBe(1)
  await endSession(world.recorder, session)
})

test('a forged task shows and promotes nothing, and one that is gone is missed', async () => {
  const { vault, people, as } = world
  const { name, task, session } = await taken('forged')
  const set = (change: string) =>
    superuser.query(`update rotation_task set ${change} where id = $1`, [task.id])
  const sue = (await superuser.query<{ id: string }>(`select id from app_user where name = 'sue'`)).rows[0]
    ?.id
  await set(`state = 'approved', approver_id = '${sue}', approved_at = now()`)
  await expect(world.reveal(people.bob, task)).rejects.toThrow()
  await set(`state = 'made'`)
  await expect(approve(people.sue, task.id)).rejects.toThrow()
  await set(`state = 'asked', approver_id = null, approved_at = null`)
  const { rows } = await superuser.query<Record<string, unknown>>(
    'delete from rotation_task where id = $1 returning *',
    [task.id],
  )
  await expect(
    as(people.ann, 'task.postpone', { task: task.id, pausedUntil: null, reason: 'x' }),
  ).rejects.toThrow('not what the vault last wrote')
  await expect(vault.ask('task.drop', { task: task.id, reason: 'x' })).rejects.toThrow()
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'assisting' })
  const columns = Object.keys(rows[0] ?? {})
  await superuser.query(
    `insert into rotation_task (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(rows[0] ?? {}),
  )
  expect(await versionOf(name)).toBe(1)
  await vault.ask('task.drop', { task: task.id, reason: 'over' })
  await endSession(world.recorder, session)
})

test('the database itself refuses one person on both sides', async () => {
  const { name } = await world.account('base', false)
  const task = await world.open(name)
  const bob = (await superuser.query<{ id: string }>(`select id from app_user where name = 'bob'`)).rows[0]
    ?.id
  for (const change of [
    `changer_id = '${bob}', approver_id = '${bob}'`,
    `changer_id = '${bob}', signer_id = '${bob}'`,
    `state = 'revealed'`,
    `state = 'done'`,
  ])
    await expect(
      superuser.query(`update rotation_task set ${change} where id = $1`, [task.id]),
    ).rejects.toThrow('violates check constraint')
  await world.vault.ask('task.drop', { task: task.id, reason: 'over' })
})

test('a vault that was killed in the middle goes on where it was: both versions are kept, and nothing was promoted', async () => {
  const { vault, people } = world
  const { name, task } = await taken('killed')
  must(await approve(people.sue, task.id))
  await vault.restart()
  expect(await world.task(task.id)).toMatchObject({ state: 'approved' })
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({
    ...{ phase: 'assisting', version: 2, believes: 'current' },
  })
  expect(await versionOf(name)).toBe(1)
  await vault.ask('task.drop', { task: task.id, reason: 'over' })
  expect(await vault.ask('rotation.show', { run: task.run })).toMatchObject({ phase: 'failed' })
})
