import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove } from '../../support/vault-ssh.ts'

// Whoever manages a safe, comes from a company or writes the database lifts no limit that names a tag, a zone or a
// company, and lets nobody in by one. Mia manages the safe; vera represents acme.

type Rule = PolicyDocument['rules'][number]

let vault: TestVault
let api: VaultClient
let recorder: VaultClient
let superuser: pg.Client
let mia: TestPerson
let ann: TestPerson
let vera: TestPerson
const key = makeSshKey()
const veraKey = makeSshKey()
const bobKey = makeSshKey()

beforeAll(async () => {
  vault = await startTestVault()
  api = await vault.connect('api')
  recorder = await vault.worker('w1', () => undefined)
  await vault.account()
  ann = await vault.person('ann', ['admin'])
  mia = await vault.person('mia', ['operator'])
  await vault.person('bob', ['operator'])
  await vault.ask('safe.member.set', { safe: 'line-3', user: 'mia', permissions: ['manage'] })
  await vault.ask('user.key.add', { user: 'mia', publicKey: key.line })
  await vault.ask('user.key.add', { user: 'bob', publicKey: bobKey.line })
  await vault.ask('company.add', {
    name: 'acme',
    contractEndsAt: new Date(vault.now().getTime() + 90 * 24 * 3600_000).toISOString(),
    sponsor: 'ann',
    mailDomains: ['acme.com'],
  })
  const input = { company: 'acme', name: 'vera', mail: 'vera@acme.com' }
  vera = await vault.enrol((await vault.ask('company.invite', input)).enrolment.token)
  await vault.ask('user.key.add', { user: 'vera', publicKey: veraKey.line })
  await vault.ask('target.change', { target: 'press-3', tags: ['critical'], zone: 'cell' })
  for (const user of ['mia', 'bob', 'vera']) await vault.grant(user, 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})
beforeEach(async () => {
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
})

const calendars = { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } }
const closed = (more: object): Rule =>
  ({ name: 'closed', effect: 'limit', who: { everyone: true }, during: ['never'], ...more }) as Rule
const may = (more: object): Rule =>
  ({ name: 'may', effect: 'allow', actions: ['shell'], what: { everything: true }, ...more }) as Rule
async function apply(...rules: readonly Rule[]) {
  const document: PolicyDocument = { version: 1, calendars, rules: [...rules] }
  return vault.ask('policy.apply', { document, expected: (await vault.ask('policy.show', {})).digest })
}
const opens = async (who: 'mia' | 'vera' | 'bob', more: object = {}) =>
  open(recorder, {
    proof: await prove(recorder, { mia: key, vera: veraKey, bob: bobKey }[who], who),
    ...more,
  })
const isClosed = async (more: object = {}) =>
  expect(refusalOf(await opens('mia', more)).message).toContain('is closed now')

test.each([{ tags: ['critical'] }, { zones: ['cell'] }])(
  'a limit of %j is lifted by nobody who manages the safe: not by taking it off, nor by another record of the machine',
  async (what) => {
    await apply(closed({ what }))
    await isClosed()
    const strips = await api.call(
      'target.change',
      { target: 'press-3', tags: [], zone: null, totpCode: mia.code() },
      mia.token,
    )
    expect(refusalOf(strips).code).toBe('forbidden')
    const { host, port } = await vault.ask('target.show', { target: 'press-3' })
    const other = { name: 'press-3b', safe: 'line-3', address: `ssh://${host}:${port}` }
    const tagged = await api.call('target.add', { ...other, tags: ['open'] }, mia.token)
    expect(refusalOf(tagged).message).toContain('only an administrator gives a target tags')
    const added = must(await api.call('target.add', other, mia.token))
    await vault.account({ target: 'press-3b', login: 'root' })
    const [pin] = (await vault.ask('target.show', { target: 'press-3' })).pins
    await vault.ask('target.pin', { target: 'press-3b', fingerprint: pin?.fingerprint ?? '' })
    await vault.grant('mia', 'press-3b/root')
    await isClosed({ target: 'press-3b', account: 'root' })
    await vault.ask('account.remove', { account: 'press-3b/root' })
    must(await api.call('target.remove', { target: added.id }, mia.token))
  },
)

test('an administrator takes a tag off with a fresh code alone: whoever carries their login does not', async () => {
  const without = await api.call('target.change', { target: 'press-3', tags: [] }, ann.token)
  expect(refusalOf(without).message).toContain('totpCode')
  const guessed = await api.call(
    'target.change',
    { target: 'press-3', tags: [], totpCode: '000000' },
    ann.token,
  )
  expect(guessed.ok).toBe(false)
  expect(await vault.ask('target.show', { target: 'press-3' })).toMatchObject({ tags: ['critical'] })
})

test.each([
  [
    'taken off',
    `update target set tags = null where name = 'press-3'`,
    `update target set tags = '{critical}' where name = 'press-3'`,
  ],
  [
    'exchanged',
    `update target set tags = '{open}' where name = 'press-3'`,
    `update target set tags = '{critical}' where name = 'press-3'`,
  ],
  [
    'moved to another zone',
    `update target set zone = 'yard' where name = 'press-3'`,
    `update target set zone = 'cell' where name = 'press-3'`,
  ],
])(
  'a target whose tags were %s in the table is a fault: nobody connects, and nobody applies over it',
  async (_how, forge, mend) => {
    await apply(closed({ what: { tags: ['critical'] } }))
    await superuser.query(forge)
    await expect(opens('mia')).rejects.toThrow()
    await expect(apply(closed({ what: { tags: ['critical'] } }))).rejects.toThrow()
    await superuser.query(mend)
    await isClosed()
  },
)

test('who does not belong to the company any more in the table is a fault, and keeps nobody else out', async () => {
  await apply(closed({ what: { everything: true }, who: { companies: ['acme'] } }))
  expect(refusalOf(await opens('vera')).message).toContain('is closed now')
  const { rows } = await superuser.query('select * from representative')
  await superuser.query('delete from representative')
  await expect(opens('vera')).rejects.toThrow()
  const { session } = await connectSession(recorder, { proof: await prove(recorder, bobKey, 'bob') })
  const [row] = rows
  await superuser.query(
    `insert into representative (${Object.keys(row).join(', ')}) values (${Object.keys(row)
      .map((_, at) => `$${at + 1}`)
      .join(', ')})`,
    Object.values(row),
  )
  expect((await vault.ask('session.list', { live: true })).map(({ id }) => id)).toEqual([session])
  expect(refusalOf(await opens('vera')).message).toContain('is closed now')
})

test('a rule that names a company lets nobody in whom somebody writes into the table', async () => {
  await apply(may({ who: { companies: ['acme'] } }))
  const bob = (await superuser.query(`select id from app_user where name = 'bob'`)).rows[0].id
  const known = (await superuser.query('select * from representative')).rows[0]
  const forged = { ...known, user_id: bob, mail: 'bob@acme.com' }
  const names = Object.keys(forged)
  const written = await superuser.query(
    `insert into representative (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(forged),
  )
  expect(written.rowCount).toBe(1)
  await superuser.query(`update app_user set roles = '{vendor}' where name = 'bob'`)
  await expect(prove(recorder, bobKey, 'bob')).rejects.toThrow()
  await superuser.query('delete from representative where user_id = $1', [bob])
  await superuser.query(`update app_user set roles = '{operator}' where name = 'bob'`)
})

test('nobody from outside watches others by a rule, and a secret is seen by whom a rule names alone', async () => {
  await apply(
    may({ name: 'watch', actions: ['watch'], who: { everyone: true } }),
    may({ name: 'reveal', actions: ['reveal'], who: { users: ['bob'] } }),
  )
  const { session } = await connectSession(recorder, { proof: await prove(recorder, bobKey, 'bob') })
  expect(refusalOf(await api.call('session.watch', { session }, vera.token)).code).toBe('forbidden')
  expect(must(await api.call('session.list', { live: true }, vera.token))).toEqual([])
  const boxKey = Buffer.alloc(32, 9).toString('base64')
  for (const one of [mia, vera, ann]) {
    const input = { account: 'press-3/engineer', reason: 'look', boxKey, totpCode: one.code() }
    expect(refusalOf(await api.call('account.reveal', input, one.token)).code).toBe('forbidden')
  }
  expect(
    (
      await vault.admin.call('account.reveal', {
        account: 'press-3/engineer',
        reason: 'x',
        boxKey,
        totpCode: '000000',
      })
    ).ok,
  ).toBe(false)
  expect(await vault.ask('exposure.list', {})).toEqual([])
})

test('a tag that is given while a policy is applied is not missed by it', async () => {
  for (let round = 0; round < 4; round += 1) {
    await vault.ask('target.change', { target: 'press-3', tags: [] })
    await vault.account({
      target: `spare-${round}`,
      login: 'root',
      address: `ssh://127.0.0.8:${2300 + round}`,
    })
    await vault.ask('target.change', { target: `spare-${round}`, tags: ['critical'] })
    await Promise.all([
      apply(closed({ what: { tags: ['critical'] } })),
      vault.ask('target.change', { target: 'press-3', tags: ['critical'] }),
    ])
    await isClosed()
    await apply()
  }
})
