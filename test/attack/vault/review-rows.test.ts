import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { RecordingId } from '../../../vault/kernel/id.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, prove } from '../../support/vault-ssh.ts'

let vault: TestVault
let api: VaultClient
let superuser: pg.Client
let ingrid: TestPerson
const recordings: RecordingId[] = []

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  const recorder = await vault.worker()
  await vault.account()
  await vault.person('bob', ['operator'])
  ingrid = await vault.enrol((await vault.ask('user.enrol', { user: 'ingrid' })).token)
  const key = makeSshKey()
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  for (let at = 0; at < 2; at += 1) {
    const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
    await endSession(recorder, permit.session)
    recordings.push(permit.recording)
  }
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  const input = { recording: recordings[0] as RecordingId, note: 'seen' }
  must(await api.call('recording.review', input, ingrid.token))
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const finds = (asked: object) => api.call('recording.find', asked as never, ingrid.token)

test.each([
  [
    'put on a recording that nobody has looked at',
    `insert into recording_review select $1, user_id, user_name, note, reviewed_at, epoch, mac from recording_review`,
  ],
  ['moved to it', `update recording_review set recording_id = $1`],
  ['said to be somebody else’s', `update recording_review set user_name = 'otto' where $1 <> ''`],
])(
  'a review that is %s is a fault, and hides nothing from what is still to be looked at',
  async (_how, statement) => {
    await superuser.query('begin')
    await superuser.query('create temporary table kept as select * from recording_review')
    await superuser.query(statement, [recordings[1]])
    await superuser.query('commit')
    const faults = vault.faults.length
    await expect(finds({ reviewed: 'no' })).rejects.toThrow()
    await expect(finds({})).rejects.toThrow()
    expect(vault.faults.length).toBeGreaterThan(faults)
    await superuser.query('delete from recording_review')
    await superuser.query('insert into recording_review select * from kept')
    await superuser.query('drop table kept')
    expect(must(await finds({ reviewed: 'no' })).recordings.map(({ id }) => id)).toEqual([recordings[1]])
  },
)

test('a review that is taken away is asked for again, and the log still says who has seen it', async () => {
  await superuser.query('delete from recording_review')
  expect(must(await finds({ reviewed: 'no' })).recordings).toHaveLength(2)
  const { entries } = await vault.ask('audit.find', { kinds: 'recording.reviewed', limit: 5 })
  expect(entries).toMatchObject([{ who: 'ingrid' }])
})

test('nobody makes recordings due by writing into the database, nor lifts a hold by deleting it', async () => {
  await vault.ask('retention.set', { retentionClass: 'long', days: 3_650, reason: 'x' })
  await vault.ask('safe.retention', { safe: 'line-3', retentionClass: 'long', reason: 'x', shortens: true })
  await vault.ask('retention.floor', { days: 400, basis: 'x' })
  const place = { kind: 'safe', of: 'line-3', matter: 'case 1', reason: 'x' } as const
  await vault.ask('legalhold.place', place)
  for (const statement of [
    'delete from legal_hold',
    `update legal_hold set lift_by = 'usr_x', lift_by_name = 'x', lift_reason = 'x', lift_asked_at = now(),
       lifted_by_name = 'y', lifted_at = now()`,
    `update legal_hold set of_id = 'saf_other'`,
    'update retention_class set days = 1',
    'update safe set retention_class = null',
    'delete from retention_floor',
    'update retention_floor set days = 0',
  ]) {
    const tables = ['legal_hold', 'retention_class', 'retention_floor'] as const
    await superuser.query('create temporary table kept_safe as select * from safe')
    for (const table of tables)
      await superuser.query(`create temporary table kept_${table} as select * from ${table}`)
    await superuser.query(statement)
    await expect(vault.ask('retention.list', {}), statement).rejects.toThrow()
    await superuser.query(
      `update safe set retention_class = (select retention_class from kept_safe where kept_safe.id = safe.id)`,
    )
    await superuser.query(
      'update retention_class set days = kept_retention_class.days from kept_retention_class where kept_retention_class.name = retention_class.name',
    )
    for (const table of ['legal_hold', 'retention_floor']) {
      await superuser.query(`delete from ${table}`)
      await superuser.query(`insert into ${table} select * from kept_${table}`)
    }
    for (const table of [...tables, 'safe']) await superuser.query(`drop table kept_${table}`)
  }
  expect((await vault.ask('retention.list', {})).classes).toMatchObject([
    { name: 'standard' },
    { days: 3_650 },
  ])
})
