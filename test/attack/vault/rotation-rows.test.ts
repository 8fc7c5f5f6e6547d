import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EndReason, VerbInput } from '../../../vault/contract.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { newId, type RotationId } from '../../../vault/kernel/id.ts'
import { budgetOf, takePlace } from '../../../vault/rotation/budget.ts'
import { sessionLoginEnded } from '../../../vault/rotation/session-logins.ts'
import { endSession, makeSshKey, open, prove, startCall, until } from '../../support/vault-ssh.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'

/** Rows of rotation that somebody forges or takes away, and workers that die: nobody else has to pay for it. */

const day = 24 * 3600_000
let vault: TestVault
let worker: VaultClient
let superuser: pg.Client
beforeAll(async () => {
  vault = await startTestVault()
  worker = await vault.connect('rotation')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

/** An account that a machine changes; its full name, and its id. */
async function account(login: string, safe = 'line-3') {
  const { id, name } = await vault.account({ login, safe, target: `press-of-${safe}` })
  await vault.ask('rotation.set', { account: name, connector: 'linux-password' })
  return { id, name }
}
const runsOf = (name: string) => vault.ask('rotation.list', { account: name })
const isOver = async (run: RotationId) => (await vault.ask('rotation.show', { run })).endedAt !== null
const order = (run: RotationId) =>
  worker.call('rotation.step', { run, boxKey: Buffer.alloc(32, 9).toString('base64') })

/** Takes rows of a table away, does something, and puts them back. */
async function without(table: string, where: string, act: () => Promise<void>): Promise<void> {
  const { rows } = await superuser.query(`delete from ${table} where ${where} returning *`)
  expect(rows).toHaveLength(1)
  const [row] = rows as readonly Record<string, unknown>[]
  try {
    await act()
  } finally {
    const columns = Object.keys(row ?? {})
    await superuser.query(
      `insert into ${table} (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
      Object.values(row ?? {}),
    )
  }
}

const wasMissed = (what: string) =>
  until(async () => (vault.faults.some(({ error }) => String(error).includes(what)) ? true : undefined))

test('one forged row keeps its own account from being rotated, and none of the others', async () => {
  const [forged, sound] = [await account('forged'), await account('sound')]
  for (const { name } of [forged, sound]) await vault.ask('rotation.set', { account: name, maxAgeDays: 2 })
  await superuser.query('update account_rotation set max_age_days = 1 where account_id = $1', [forged.id])
  vault.advance(3 * day)
  try {
    const [run] = await until(async () => {
      const runs = await runsOf(sound.name)
      return runs.length > 0 ? runs : undefined
    })
    expect(run?.cause).toBe('age')
    await wasMissed('account_rotation')
    expect(await runsOf(forged.name)).toEqual([])
  } finally {
    await superuser.query('update account_rotation set max_age_days = 2 where account_id = $1', [forged.id])
  }
}, 30_000)

test('five hundred accounts of which nothing is due hide none of which something is', async () => {
  const model = await account('model')
  const copy = (table: string, change: string, where: string) =>
    superuser.query(
      `insert into ${table} select copy.* from (select * from ${table} where ${where}) model, generate_series(1, 600) n,
         lateral jsonb_populate_record(null::${table}, to_jsonb(model) || ${change}) copy`,
      [model.id],
    )
  const id = `left(model.id, 26) || lpad(n::text, 4, '0')`
  await copy('account', `jsonb_build_object('id', ${id}, 'login', 'm' || n)`, 'id = $1')
  const of = `left(model.account_id, 26) || lpad(n::text, 4, '0')`
  await copy('credential', `jsonb_build_object('id', ${id}, 'account_id', ${of})`, 'account_id = $1')
  await copy('account_rotation', `jsonb_build_object('account_id', ${of})`, 'account_id = $1')
  try {
    const due = await account('due', 'line-4')
    await vault.ask('rotation.set', { account: due.name, maxAgeDays: 2 })
    vault.advance(3 * day)
    await until(async () => ((await runsOf(due.name)).length > 0 ? true : undefined))
  } finally {
    const these = `'${model.id.slice(0, 26)}%' and %ID% <> '${model.id}'`
    for (const [table, column] of [
      ['account_rotation', 'account_id'],
      ['credential', 'account_id'],
      ['account', 'id'],
    ] as const)
      await superuser.query(
        `delete from ${table} where ${column} like ${these.replace('%ID%', column)} and ${column} ~ '[0-9]{4}$'`,
      )
  }
}, 30_000)

test('that production runs is not forgotten because its row is gone', async () => {
  const held = await account('held', 'line-5')
  await vault.ask('rotation.hold', { safe: 'line-5', reason: 'the press runs' })
  await vault.ask('rotation.set', { account: held.name, maxAgeDays: 2 })
  await without('rotation_hold', `reason = 'the press runs'`, async () => {
    vault.advance(3 * day)
    await wasMissed('rotation_hold')
    expect(await runsOf(held.name)).toEqual([])
  })
}, 30_000)

test('that rotations are limited is not forgotten because its row is gone', async () => {
  const { name } = await account('limited', 'line-5')
  await vault.ask('rotation.limit', { safe: 'line-5', abreast: 2, perHour: 7 })
  await without('rotation_limit', 'per_hour = 7', async () => {
    await expect(vault.ask('rotation.start', { account: name })).rejects.toThrow()
  })
  await vault.ask('rotation.limit', { safe: 'line-5', abreast: null, perHour: null })
}, 30_000)

test('a rotation in doubt is not forgotten because its row is gone', async () => {
  const { name } = await account('doubt', 'line-6')
  const run = await vault.ask('rotation.start', { account: name })
  expect(must(await order(run.id)).step).toBe('change')
  await without('rotation_run', `id = '${run.id}'`, async () => {
    await expect(vault.ask('rotation.start', { account: name })).rejects.toThrow()
  })
  expect(await isOver(run.id)).toBe(false)
})

test('the log has how many logins may be risked from now on, and who answers for what nothing changes', async () => {
  const { name } = await account('risked', 'line-8')
  const until = new Date(vault.now().getTime() + 30 * day).toISOString()
  const lockOut = { refused: 100, seconds: 60 }
  await vault.ask('rotation.set', { account: name, lockOut, exemption: { owner: 'mo', until } })
  const entries = await vault.ask('audit.list', { kind: 'rotation.set' })
  const set = entries.at(-1)
  expect(set?.entry).toMatchObject({ accountName: name, lockOut, exemption: { owner: 'mo', until } })
})

test('who hangs up before the machine has answered has their login counted: it may have been refused', async () => {
  const recorder = await vault.worker()
  const key = makeSshKey()
  await vault.person('mal', ['operator'])
  await vault.ask('user.key.add', { user: 'mal', publicKey: key.line })
  const { name } = await account('target', 'line-9')
  await vault.grant('mal', name)
  const begin = async () => {
    const proof = await prove(recorder, key, 'mal')
    const asked = { proof, target: 'press-of-line-9', account: 'target' }
    const { session } = must(await open(recorder, asked))
    const started = await recorder.call('session.start', startCall(session).input)
    await endSession(recorder, session)
    return started
  }
  for (let login = 0; login < 3; login += 1) must(await begin())
  expect(refusalOf(await begin()).code).toBe('rate_limited')
}, 30_000)

test('a worker that dies in the middle keeps nobody from the machine for longer than minutes', async () => {
  const recorder = await vault.worker()
  const key = makeSshKey()
  await vault.person('bob', ['operator'])
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  const { name } = await account('stuck', 'line-7')
  await vault.grant('bob', name)
  const run = await vault.ask('rotation.start', { account: name })
  must(await order(run.id))
  const connecting = async () =>
    open(recorder, { proof: await prove(recorder, key, 'bob'), target: 'press-of-line-7', account: 'stuck' })
  expect(refusalOf(await connecting()).message).toBe(`the account ${name} is being rotated`)
  // Nobody says what came of the step, and nobody comes for the next one.
  vault.advance(81_000)
  await until(async () =>
    (await vault.ask('rotation.show', { run: run.id })).phase === 'probing-candidate' ? true : undefined,
  )
  vault.advance(61_000)
  expect(must(await connecting()).account.name).toBe(name)
}, 30_000)

test('a candidate that somebody took away is missed: what was there before is not sent in its place', async () => {
  const recorder = await vault.worker()
  const key = makeSshKey()
  await vault.person('cem', ['operator'])
  await vault.ask('user.key.add', { user: 'cem', publicKey: key.line })
  const { id, name } = await account('robbed', 'line-11')
  await vault.grant('cem', name)
  const run = await vault.ask('rotation.start', { account: name })
  const says = async (generation: number, seen: VerbInput<'rotation.report'>['seen']) => {
    must(await order(run.id))
    must(await worker.call('rotation.report', { run: run.id, generation, sent: false, seen }))
  }
  await says(1, { step: 'change', result: { kind: 'changed' } })
  for (const generation of [2, 3]) {
    await says(generation, { step: 'login-candidate', result: { kind: 'unreachable', why: 'it is away' } })
    vault.advance(61_000)
  }
  const connecting = async () =>
    open(recorder, {
      proof: await prove(recorder, key, 'cem'),
      target: 'press-of-line-11',
      account: 'robbed',
    })
  await without('credential', `account_id = '${id}' and state = 'candidate'`, async () => {
    const opened = await connecting().catch(() => undefined)
    expect(opened?.ok ?? false).toBe(false)
    await wasMissed('credential')
  })
  expect(must(await connecting()).account.name).toBe(name)
}, 30_000)

test('of VNC nobody tells a machine that is away from one that refused the password: it counts', async () => {
  const { id } = await account('seen', 'line-12')
  await vault.plane.world.vault.inTransaction(async (tx) => {
    const { target_id: target } = await tx.db
      .selectFrom('account')
      .select('target_id')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    const left = async (protocol: 'vnc' | 'ssh', reason: EndReason) => {
      const session = newId('ses', tx.now.getTime())
      const at = { target, login: `${protocol} ${reason}` }
      await takePlace(tx, at, { session })
      await sessionLoginEnded(tx, { id: session, protocol }, reason)
      return (await budgetOf(tx, at, { refused: 5, seconds: 60 })).left
    }
    expect(await left('vnc', 'target unreachable')).toBe(2)
    expect(await left('ssh', 'target unreachable')).toBe(3)
    expect(await left('vnc', 'target key changed')).toBe(3)
  })
})
