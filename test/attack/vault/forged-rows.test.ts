import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { VerbAnswer } from '../../../vault/contract.ts'
import { sshFingerprint } from '../../../vault/identity/ssh-key.ts'
import type { VaultClient } from '../../../vault/index.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { newId } from '../../../vault/kernel/id.ts'
import { must, startTestVault, type TestPerson, type TestVault } from '../../support/vault.ts'
import { makeSshKey, open, prove, publickeyCall, startCall } from '../../support/vault-ssh.ts'

// Somebody who writes to the database as its superuser, and would like to have a credential.

let vault: TestVault
let recorder: VaultClient
let api: VaultClient
let superuser: pg.Client
let ann: TestPerson
const key = makeSshKey()
let grant: VerbAnswer<'grant.add'>

const idOf = (table: 'account' | 'app_user', column: string, value: string) =>
  `(select id from ${table} where ${column} = '${value}')`
const fitter = idOf('account', 'login', 'fitter')
const engineer = idOf('account', 'login', 'engineer')
const annId = idOf('app_user', 'name', 'ann')

beforeAll(async () => {
  vault = await startTestVault()
  recorder = await vault.worker()
  api = await vault.connect('api')
  await vault.account({ password: 'the secret' })
  await vault.account({ target: 'saw-1', login: 'fitter', password: 'the other secret' })
  ann = await vault.person('ann', ['operator'])
  await vault.ask('user.key.add', { user: 'ann', publicKey: key.line })
  grant = await vault.grant('ann', 'press-3/engineer')
  superuser = new pg.Client({ connectionString: vault.postgres.ownerUrl })
  await superuser.connect()
}, 60_000)
afterAll(async () => {
  await superuser.end()
  await vault[Symbol.asyncDispose]()
})

const connect = async (target = 'press-3', account = 'engineer') => {
  const opened = await open(recorder, { proof: await prove(recorder, key, 'ann'), target, account })
  if (!opened.ok) return opened
  return recorder.call('session.start', startCall(opened.value.session).input)
}

/** Forges rows of a table, expects that `attempt` meets a fault of this code, and puts the rows back. */
async function forged(
  table: string,
  forge: readonly (readonly [string, ...unknown[]])[],
  attempt: () => Promise<unknown>,
  code: 'forged_row' | 'rolled_back_row',
): Promise<void> {
  const { rows } = await superuser.query(`select * from ${table}`)
  const columns = Object.keys(rows[0] ?? {})
  try {
    for (const [statement, ...values] of forge) await superuser.query(statement, values)
    const error = await attempt().then(
      (answer) => answer,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(Fault)
    expect((error as Fault).code).toBe(code)
  } finally {
    // Foreign keys and rules of uniqueness are looked away from while the rows are put back.
    const marks = columns.map((_, index) => `$${index + 1}`).join(', ')
    await superuser.query(`set session_replication_role = replica`)
    await superuser.query(`delete from ${table}`)
    for (const row of rows)
      await superuser.query(
        `insert into ${table} (${columns.join(', ')}) values (${marks})`,
        columns.map((column) => row[column]),
      )
    await superuser.query(`set session_replication_role = origin`)
  }
}

test('the honest way works, so that what follows fails for its own reason', async () => {
  expect(must(await connect()).kind).toBe('password')
})

test('a grant that the superuser wrote opens nothing', () =>
  forged(
    'access_grant',
    [
      [
        `insert into access_grant select $1, user_id, ${fitter}, actions, not_before, not_after,
         max_session_seconds, mode, reason, granted_by, created_at, revoked_at, epoch, mac
         from access_grant where id = $2`,
        newId('grt'),
        grant.id,
      ],
    ],
    () => connect('saw-1', 'fitter'),
    'forged_row',
  ))

test('a target that was written weaker algorithms, or more time for them, opens nothing', async () => {
  await forged(
    'target',
    [
      [
        `update target set legacy = '{group1-sha1,3des-cbc}', legacy_reason = 'x', legacy_by = 'x',
         legacy_at = now(), legacy_until = now() + interval '1 year' where name = 'press-3'`,
      ],
    ],
    () => connect(),
    'forged_row',
  )
  await vault.ask('target.legacy', {
    target: 'press-3',
    algorithms: ['ssh-rsa'],
    reason: 'old',
    forSeconds: 3600,
  })
  for (const change of [
    `legacy_until = legacy_until + interval '1 day'`,
    `legacy = '{ssh-rsa,hmac-md5}'`,
    `legacy_reason = 'another'`,
  ])
    await forged(
      'target',
      [[`update target set ${change} where name = 'press-3'`]],
      () => connect(),
      'forged_row',
    )
  await vault.ask('target.legacy', { target: 'press-3', algorithms: [] })
})

test('a grant that was made longer opens nothing', () =>
  forged(
    'access_grant',
    [[`update access_grant set not_after = not_after + interval '1 year' where id = $1`, grant.id]],
    () => connect(),
    'forged_row',
  ))

test('a grant that was given a destination to forward to opens nothing', () =>
  forged(
    'access_grant',
    [
      [
        `update access_grant set forwards = '{plc-7:102 counts 8 -}', actions = actions || '{forward}' where id = $1`,
        grant.id,
      ],
    ],
    () => connect(),
    'forged_row',
  ))

test('a grant that was revoked and put back opens nothing', async () => {
  const short = await vault.grant('ann', 'saw-1/fitter')
  const { rows } = await superuser.query('select epoch, mac from access_grant where id = $1', [short.id])
  await vault.ask('grant.revoke', { grant: short.id })
  await forged(
    'access_grant',
    [
      [
        'update access_grant set revoked_at = null, epoch = $2, mac = $3 where id = $1',
        short.id,
        rows[0].epoch,
        rows[0].mac,
      ],
    ],
    () => connect('saw-1', 'fitter'),
    'rolled_back_row',
  )
})

test('a target that was pointed elsewhere gets no credential', () =>
  forged(
    'target',
    [[`update target set host = '203.0.113.66' where name = 'press-3'`]],
    () => connect(),
    'forged_row',
  ))

test('a target whose pin was replaced gets no credential', () =>
  forged(
    'target',
    [[`update target set pins = replace(pins, 'SHA256:', 'SHA256:X') where name = 'press-3'`]],
    () => connect(),
    'forged_row',
  ))

test('a target that was set back to where it was gets no credential', async () => {
  const { rows } = await superuser.query(`select host, epoch, mac from target where name = 'saw-1'`)
  await vault.ask('target.address', { target: 'saw-1', address: 'ssh://192.0.2.99' })
  await vault.ask('account.bind', { account: 'saw-1/fitter' })
  const lent = await vault.grant('ann', 'saw-1/fitter')
  await forged(
    'target',
    [
      [
        `update target set host = $1, port = 2201, epoch = $2, mac = $3 where name = 'saw-1'`,
        rows[0].host,
        rows[0].epoch,
        rows[0].mac,
      ],
    ],
    () => connect('saw-1', 'fitter'),
    'rolled_back_row',
  )
  await vault.ask('grant.revoke', { grant: lent.id })
})

test('a binding of an account to a target where nobody bound it opens nothing', async () => {
  const lent = await vault.grant('ann', 'saw-1/fitter')
  await forged(
    'binding',
    [
      [
        `insert into binding select $1, account_id, (select id from target where name = 'press-3'), digest, bound_by,
         bound_at, epoch, mac from binding where account_id = ${fitter}`,
        newId('bnd'),
      ],
    ],
    () => connect('press-3', 'fitter'),
    'forged_row',
  )
  await vault.ask('grant.revoke', { grant: lent.id })
})

test('an account under another login name is not used', () =>
  forged(
    'account',
    [[`update account set login = 'root' where login = 'engineer'`]],
    () => connect('press-3', 'root'),
    'forged_row',
  ))

test('a user who was made administrator is none', () =>
  forged(
    'app_user',
    [[`update app_user set roles = '{admin}' where name = 'ann'`]],
    () => api.call('user.list', {}, ann.token),
    'forged_row',
  ))

test('a password hash that the superuser set logs nobody in', () =>
  forged(
    'app_user',
    [[`update app_user set password_hash = decode(repeat('00', 32), 'hex') where name = 'ann'`]],
    async () =>
      api.call('login.start', {
        name: 'ann',
        sealedPassword: await vault.sealLogin('ann', ann.password),
        totpCode: '000000',
        source: '192.0.2.1',
      }),
    'forged_row',
  ))

test('an SSH key that the superuser registered proves nobody', async () => {
  const own = makeSshKey()
  await forged(
    'user_key',
    [
      [
        `insert into user_key select $1, user_id, type, $2, $3, comment, added_by, created_at, epoch, mac
         from user_key limit 1`,
        newId('key'),
        own.blob,
        sshFingerprint(own.blob),
      ],
    ],
    () => recorder.call('ssh.publickey', publickeyCall(own, 'ann')),
    'forged_row',
  )
})

test('a login that was made longer is none', () =>
  forged(
    'login',
    [[`update login set expires_at = expires_at + interval '1 year' where user_id = ${annId}`]],
    () => api.call('login.who', {}, ann.token),
    'forged_row',
  ))

test('a membership that the superuser wrote shows nothing', async () => {
  await superuser.query(
    `insert into safe_member select id, ${annId}, '{reveal}', 1, decode(repeat('00', 32), 'hex') from safe limit 1`,
  )
  await expect(api.call('safe.list', {}, ann.token)).rejects.toMatchObject({ code: 'forged_row' })
  await superuser.query('delete from safe_member')
})

test('a credential that was set back to an older version is refused', async () => {
  await vault.ask('account.secret', {
    account: 'press-3/engineer',
    credential: await vault.sealPassword('press-3/engineer', 'the second secret'),
  })
  await forged(
    'credential',
    [
      [`update credential set state = 'retired' where version = 2 and account_id = ${engineer}`],
      [`update credential set state = 'current' where version = 1 and account_id = ${engineer}`],
    ],
    () => connect(),
    'forged_row',
  )
})

test('a session row that the superuser wrote starts nothing', async () => {
  const lent = await vault.grant('ann', 'press-3/engineer')
  const opened = await open(recorder, {
    proof: await prove(recorder, key, 'ann'),
    target: 'press-3',
    account: 'engineer',
  })
  const permit = must(opened)
  const id = newId('ses')
  await superuser.query(
    `insert into session select $1, $2, user_id, ${fitter}, target_id, safe_id, grant_id, lease_id, user_name,
     account_name, target_name, protocol, source, node, worker, state, credential_set_by_other, policy_digest,
     started_at, ends_at, ended_at, end_reason, released_at, header_hash, public_key from session where id = $3`,
    [id, newId('rec'), permit.session],
  )
  expect((await recorder.call('session.start', startCall(id).input)).ok).toBe(false)
  await superuser.query(`update session set account_id = ${fitter} where id = $1`, [permit.session])
  const { input, read } = startCall(permit.session)
  // What the vault decided counts, not what the row says now.
  expect(read(must(await recorder.call('session.start', input)))).toBe('the second secret')
  await vault.ask('grant.revoke', { grant: lent.id })
})

test('each forgery was an alarm in the audit log', async () => {
  const faults = await vault.ask('audit.list', { kind: 'vault.fault' })
  expect(faults.length).toBeGreaterThan(12)
  expect(faults.every((leaf) => leaf.actor === 'vault')).toBe(true)
})
