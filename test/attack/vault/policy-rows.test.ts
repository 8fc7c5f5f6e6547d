import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VaultClient } from '../../../vault/index.ts'
import { done } from '../../../vault/kernel/outcome.ts'
import type { PolicyDocument } from '../../../vault/policy/document.ts'
import { must, refusalOf, startTestVault, type TestVault } from '../../support/vault.ts'
import { connectSession, endSession, makeSshKey, open, prove, until } from '../../support/vault-ssh.ts'

// Whoever writes the database changes no policy, and takes none away; nobody slips in while one is applied.

let vault: TestVault
let recorder: VaultClient
let superuser: pg.Client
const key = makeSshKey()
const cuts: string[] = []

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker('w1', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.push((params as { session: string }).session)
          return done(null)
        }
      : undefined,
  )
  await vault.account()
  await vault.account({ login: 'viewer' })
  await vault.ask('user.add', { name: 'bob', roles: ['operator'] })
  await vault.ask('user.key.add', { user: 'bob', publicKey: key.line })
  await vault.grant('bob', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const closed: PolicyDocument = {
  version: 1,
  calendars: { never: { zone: 'UTC', dates: [{ from: '2020-01-01', to: '2020-01-02' }] } },
  rules: [
    {
      name: 'closed',
      effect: 'limit',
      who: { everyone: true },
      what: { everything: true },
      during: ['never'],
    },
  ],
}
const empty: PolicyDocument = { version: 1, rules: [] }
const apply = async (document: PolicyDocument) =>
  vault.ask('policy.apply', { document, expected: (await vault.ask('policy.show', {})).digest })
const opens = async () => open(recorder, { proof: await prove(recorder, key, 'bob') })

test.each([
  [
    'loosened',
    `update policy set body = replace(body, '"closed"', '"opened"')`,
    `update policy set body = replace(body, '"opened"', '"closed"')`,
  ],
  [
    'said to be another version',
    'update policy set version = version + 1',
    'update policy set version = version - 1',
  ],
])('a policy that is %s in the table is a fault, and lets nobody in', async (_how, forge, mend) => {
  await apply(closed)
  expect(refusalOf(await opens()).message).toContain('is closed now')
  await superuser.query(forge)
  await expect(opens()).rejects.toThrow()
  await superuser.query(mend)
  expect(refusalOf(await opens()).message).toContain('is closed now')
})

test('a policy that was put back to an earlier one, or taken away, is a fault, and lets nobody in', async () => {
  await apply(empty)
  const { rows } = await superuser.query('select * from policy')
  await apply(closed)
  const { rows: present } = await superuser.query('select * from policy')
  const put = async (row: Record<string, unknown>) => {
    await superuser.query('delete from policy')
    const columns = Object.keys(row)
    await superuser.query(
      `insert into policy (${columns.join(', ')}) values (${columns.map((_, at) => `$${at + 1}`).join(', ')})`,
      Object.values(row),
    )
  }
  await put(rows[0])
  await expect(opens()).rejects.toThrow()
  await superuser.query('delete from policy')
  await expect(opens()).rejects.toThrow()
  await put(present[0])
  expect(refusalOf(await opens()).message).toContain('is closed now')
  await apply(empty)
  must(await opens())
})

test('a grant that the database says a rule made, or a person, is a fault', async () => {
  await superuser.query(`update access_grant set rule = 'anything'`)
  await expect(opens()).resolves.toMatchObject({ ok: false })
  await superuser.query('update access_grant set rule = null')
  must(await opens())
  // One that a rule made, and that would hold for a year by itself.
  await apply({
    ...empty,
    rules: [
      {
        name: 'r',
        effect: 'allow',
        actions: ['exec'],
        who: { users: ['bob'] },
        what: { accounts: ['press-3/viewer'] },
      },
    ],
  })
  const proof = await prove(recorder, key, 'bob')
  const viewer = { proof, account: 'viewer', wants: 'exec' } as const
  must(await open(recorder, viewer))
  await apply(empty)
  expect(refusalOf(await open(recorder, viewer)).code).toBe('forbidden')
  const { rows } = await superuser.query(`select id, revoked_at from access_grant where rule = 'r'`)
  await superuser.query(`update access_grant set rule = null, revoked_at = null where rule = 'r'`)
  await expect(open(recorder, viewer)).rejects.toThrow()
  await superuser.query(`update access_grant set rule = 'r', revoked_at = $2 where id = $1`, [
    rows[0].id,
    rows[0].revoked_at,
  ])
})

test('who comes in while a closing policy is applied is refused, or ended at once', async () => {
  for (const session of await vault.ask('session.list', { live: true }))
    await endSession(recorder, session.id)
  for (let round = 0; round < 5; round += 1) {
    await apply(empty)
    const proof = await prove(recorder, key, 'bob')
    const [opened] = await Promise.all([open(recorder, { proof }), apply(closed)])
    if (!opened.ok) expect(opened.refusal.message).toContain('is closed now')
    else {
      const { session } = opened.value
      await until(() => (cuts.includes(session) ? true : undefined), 5_000)
      await endSession(recorder, session)
    }
  }
  await apply(empty)
})

test('two who apply at once do not both: the one who comes late plans again', async () => {
  const expected = (await vault.ask('policy.show', {})).digest
  const outcomes = await Promise.all(
    [closed, { ...closed, groups: { ot: ['bob'] } }].map((document) =>
      vault.admin.call('policy.apply', { document, expected }),
    ),
  )
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1)
  await apply(empty)
})

test('a session goes on over a restart of the vault, and ends when a later policy says so', async () => {
  await apply({
    ...empty,
    rules: [
      {
        name: 'r',
        effect: 'allow',
        actions: ['shell'],
        who: { users: ['bob'] },
        what: { accounts: ['press-3/engineer'] },
      },
    ],
  })
  const permit = await connectSession(recorder, { proof: await prove(recorder, key, 'bob') })
  await vault.restart()
  const again = await vault.connect('recorder', (method) =>
    method === 'session.cut'
      ? async (params) => {
          cuts.push((params as { session: string }).session)
          return done(null)
        }
      : undefined,
  )
  const hello = must(
    await again.call('recorder.hello', { node: 'node-1', worker: 'w1', live: [permit.session] }),
  )
  expect(hello.end).toEqual([])
  await apply(closed)
  await until(() => (cuts.includes(permit.session) ? true : undefined), 5_000)
})
