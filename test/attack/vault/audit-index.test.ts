import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { until } from '../../support/vault-ssh.ts'

// Whoever writes the database invents no entry, moves none to another machine or person, and hides none unseen.

let vault: TestVault
let superuser: pg.Client

beforeAll(async () => {
  vault = await startTestVault()
  await vault.account()
  await vault.account({ target: 'mill-9', safe: 'line-9' })
  await vault.person('bob', ['operator'])
  await vault.person('mallory', ['operator'])
  await vault.grant('mallory', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
  await vault.ask('audit.find', {})
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const found = async (target: string) => (await vault.ask('audit.find', { target, limit: 100 })).entries
const refused = async (input: object) => refusalOf(await vault.admin.call('audit.find', input))
const verdict = () => vault.ask('audit.verify', {})
async function remade(): Promise<void> {
  await vault.ask('audit.reindex', {})
  await until(async () => ((await vault.admin.call('audit.find', {})).ok ? true : undefined))
  expect((await verdict()).ok).toBe(true)
}

test.each([
  [
    'moved to another machine',
    `set target = 'mill-9' where kind = 'grant.added' and target = 'press-3'`,
    { target: 'mill-9' },
  ],
  ['said to be somebody else’s', `set person = 'bob' where kind = 'grant.added'`, { person: 'bob' }],
  [
    'said to be of another kind',
    `set kind = 'account.revealed' where kind = 'grant.added'`,
    { kinds: 'account.revealed' },
  ],
  ['moved in time', `set at = at - interval '1 year' where kind = 'grant.added'`, { target: 'press-3' }],
  ['given another number', `set seq = 900000 where kind = 'grant.added'`, { target: 'press-3' }],
])('an entry that is %s in the index is an alarm, and no answer', async (_how, change, asked) => {
  await superuser.query(`update audit_index ${change}`)
  expect(await refused(asked)).toMatchObject({
    code: 'conflict',
    next: expect.stringContaining('audit verify'),
  })
  const { ok, sentence } = await verdict()
  expect({ ok, sentence }).toEqual({
    ok: false,
    sentence: expect.stringMatching(/but the index .* (says something|has an entry)/),
  })
  const faults = await vault.ask('audit.list', { kind: 'vault.fault', limit: 5 })
  expect(faults.at(-1)?.text).toMatch(/the index of the audit log says something else/)
  await remade()
})

test('a row that leads to no entry invents none', async () => {
  await superuser.query(
    `insert into audit_index (seq, at, kind, person, target) values (800000, now(), 'account.revealed', 'bob', 'press-3')`,
  )
  expect((await refused({ target: 'press-3' })).code).toBe('conflict')
  await superuser.query('delete from audit_index where seq = 800000')
  expect((await verdict()).ok).toBe(true)
})

test('a row that was taken away is noticed by who verifies, and made anew', async () => {
  const before = (await found('press-3')).map(({ seq }) => seq)
  const gone = before[0] ?? 0
  await superuser.query('delete from audit_index where seq = $1', [gone])
  expect((await found('press-3')).map(({ seq }) => seq)).not.toContain(gone)
  expect((await verdict()).sentence).toContain(
    `but the index by which they are found lacks 1 of them, the first is ${gone}`,
  )
  await vault.restart()
  expect((await found('press-3')).map(({ seq }) => seq)).toContain(gone)
  expect((await vault.ask('audit.list', { kind: 'audit.indexed', limit: 5 })).at(-1)?.text).toBe(
    'vault made 1 missing row of the index of the audit log',
  )
  expect((await verdict()).ok).toBe(true)
})

test('an entry that was told otherwise, index and all, is not answered', async () => {
  await superuser.query('set session_replication_role = replica')
  const { rows } = await superuser.query(
    `select entry.id, entry.body from audit_entry entry join audit_leaf leaf on leaf.entry = entry.id
     join audit_index row on row.seq = leaf.seq where row.kind = 'grant.added' order by leaf.seq desc limit 1`,
  )
  const forged = Buffer.from(rows[0].body.toString().replaceAll('mallory', 'bob'))
  await superuser.query('update audit_entry set body = $1 where id = $2', [forged, rows[0].id])
  await superuser.query(`update audit_index set person = 'bob' where kind = 'grant.added'`)
  expect((await refused({ person: 'bob' })).message).toMatch(/is not what the vault wrote/)
  await superuser.query('update audit_entry set body = $1 where id = $2', [rows[0].body, rows[0].id])
  await superuser.query('set session_replication_role = origin')
  await remade()
})

test('an entry of a stranger is found with its doubt, and gives nobody a company, a safe or an approver', async () => {
  const invented = [
    {
      kind: 'company.invited',
      company: 'cmp_1',
      companyName: 'Globex',
      user: 'usr_1',
      name: 'mallory',
      mail: 'x@y.z',
    },
    {
      kind: 'target.added',
      target: 'tgt_1',
      targetName: 'press-3',
      address: 'ssh://x',
      safe: 'saf_1',
      safeName: 'line-9',
    },
  ]
  for (const [at, entry] of invented.entries())
    await superuser.query('insert into audit_entry (id, body) values ($1, $2)', [
      Buffer.alloc(16, at + 1),
      Buffer.from(JSON.stringify({ actor: { kind: 'vault' }, at: new Date().toISOString(), ...entry })),
    ])
  const [doubtful] = (await vault.ask('audit.find', { company: 'globex' })).entries
  expect(doubtful).toMatchObject({ unproven: true, text: expect.stringContaining('nobody vouches for it') })
  const mallorys = (await vault.ask('audit.find', { person: 'mallory' })).entries
  expect(mallorys.filter(({ company }) => company !== null)).toEqual([])
  expect((await vault.ask('audit.find', { company: 'globex' })).entries.length).toBe(1)
  expect((await found('press-3')).map(({ text }) => text).join()).not.toContain('added safe line-9')
})

test('what a stranger calls themselves neither stops the log nor is answered as somebody else', async () => {
  const name = `bob\u0000\ud800${'x'.repeat(5_000)}`
  await superuser.query('insert into audit_entry (id, body) values ($1, $2)', [
    Buffer.alloc(16, 9),
    Buffer.from(
      JSON.stringify({
        actor: { kind: 'user', id: 'usr_9', name },
        at: '-271821-04-20T00:00:00Z',
        kind: 'x'.repeat(500),
      }),
    ),
  ])
  await superuser.query('insert into audit_entry (id, body) values ($1, $2)', [
    Buffer.alloc(16, 10),
    Buffer.from('[]'),
  ])
  const sealedPassword = await vault.sealLogin('bob', 'not the password')
  const api = await vault.connect('api')
  await api.call('login.start', {
    name: `bo'; drop table audit_index; --`.slice(0, 60),
    sealedPassword,
    source: 'x',
    totpCode: '123456',
  })
  const answer = await vault.ask('audit.find', { limit: 1_000 })
  expect(answer.entries.filter(({ kind }) => kind === 'unreadable').length).toBe(1)
  expect(answer.entries.map(({ who }) => who?.toWellFormed())).toContain(name.toWellFormed())
  expect((await vault.ask('audit.find', { person: `x' or true --` })).entries).toEqual([])
  expect((await verdict()).ok).toBe(true)
})

test('while the index is being made, nothing is found', async () => {
  await vault.ask('vault.seal', { sessions: 'end' })
  await superuser.query('delete from audit_index where seq = 3')
  await superuser.query('begin')
  // Who makes the row waits for who is making it already.
  await superuser.query(`insert into audit_index (seq, at, kind) values (3, now(), 'x')`)
  await vault.ask('vault.unseal', { kind: 'stored-key-file' })
  expect(await refused({ target: 'press-3' })).toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/index of the audit log is being made: 1 of \d+ entries are left/),
  })
  await superuser.query('rollback')
  await until(async () => ((await vault.admin.call('audit.find', {})).ok ? true : undefined))
})
