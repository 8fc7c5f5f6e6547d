import { chmod, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sealToBox } from '../../../vault/crypto/sealed-box.ts'
import { Fault } from '../../../vault/kernel/fault.ts'
import { Secret } from '../../../vault/kernel/secret.ts'
import { makeKeyFile } from '../../../vault/keys/key-file.ts'
import type { Unsealing, Vault } from '../../../vault/open.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import { newInstallation, somebody, testShapes, type TestInstallation } from '../../support/vault-keys.ts'

let postgres: TestPostgres
let installation: TestInstallation
beforeAll(async () => {
  postgres = await startTestPostgres()
  installation = await newInstallation(postgres)
})
afterAll(async () => {
  await installation[Symbol.asyncDispose]()
  await postgres.stop()
})

async function attempt(vault: Vault, how: Unsealing): Promise<string> {
  const outcome = await vault.unseal(how, somebody)
  return outcome.ok ? 'opened' : outcome.refusal.message
}

test('a vault opens by passphrase, recovery key and nothing else, and says how', async () => {
  await using fresh = await newInstallation(postgres)
  // As a new installation: the database that the helper made is emptied, its state file put away.
  await fresh.sql('set session_replication_role = replica')
  for (const table of [
    'installation',
    'seal_wrap',
    'seal_set',
    'root_key',
    'guard',
    'audit_checkpoint',
    'audit_leaf',
    'audit_entry',
  ])
    await fresh.sql(`delete from ${table}`)
  await fresh.sql('set session_replication_role = origin')
  for (const name of ['vault.state', 'audit-witness.log'])
    await rename(join(fresh.dataDir, 'vault', name), join(fresh.dataDir, name))

  await using vault = await fresh.open({ passphraseCosts: { memory: 64 * 1024, passes: 2, parallelism: 1 } })
  expect(await vault.state()).toMatchObject({ initialised: false, sealed: true, intakeKey: null })
  const early = await vault.unseal({ kind: 'stored-key-file' }, somebody)
  expect(early.ok ? '' : early.refusal.code).toBe('not_initialised')

  using passphrase = Secret.fromText('correct horse battery staple')
  const made = await vault.initialise({ kind: 'passphrase', passphrase }, somebody)
  if (!made.ok) throw new Error(made.refusal.message)
  const state = await vault.state()
  expect(state).toMatchObject({
    initialised: true,
    sealed: false,
    sealProviders: [{ kind: 'passphrase' }, { kind: 'recovery' }],
    fingerprint: made.value.fingerprint,
  })
  const again = await vault.initialise({ kind: 'passphrase', passphrase }, somebody)
  expect(again.ok ? '' : again.refusal.code).toBe('conflict')

  await vault.seal(somebody, 'keep')
  expect(vault.isSealed).toBe(true)
  using wrong = Secret.fromText('incorrect horse battery staple')
  expect(await attempt(vault, { kind: 'passphrase', passphrase: wrong })).toBe(
    'that passphrase does not open this vault',
  )
  expect(await attempt(vault, { kind: 'stored-key-file' })).toBe('this vault cannot be unsealed by key-file')
  const { recoveryKey } = made.value
  expect(await attempt(vault, { kind: 'recovery', recoveryKey: `${recoveryKey.slice(0, -1)}?` })).toContain(
    'mistyped',
  )
  expect(
    await attempt(vault, { kind: 'recovery', recoveryKey: '0000-0000-0000-0000-0000-0000-0000-0000-0000' }),
  ).not.toBe('opened')
  expect(vault.isSealed).toBe(true)

  expect(await attempt(vault, { kind: 'recovery', recoveryKey: recoveryKey.toLowerCase() })).toBe('opened')
  await vault.seal(somebody, 'keep')
  using right = Secret.fromText('correct horse battery staple')
  expect(await attempt(vault, { kind: 'passphrase', passphrase: right })).toBe('opened')
  const kinds = (await vault.listAudit({ limit: 20 })).map((view) => view.kind)
  expect(kinds.filter((kind) => kind === 'vault.unseal-refused').length).toBe(4)
  expect(kinds.filter((kind) => kind === 'vault.unsealed').length).toBe(2)
  expect((await vault.verifyAudit()).ok).toBe(true)
})

test('a data folder that belongs to a vault is not initialised again', async () => {
  await using other = await newInstallation(postgres)
  await other.sql('truncate seal_wrap, installation, guard')
  await using vault = await other.open()
  const outcome = await vault.initialise({ kind: 'key-file', path: join(other.dataDir, 'new.key') }, somebody)
  expect(outcome.ok ? '' : outcome.refusal.message).toContain('belongs to a vault whose database is another')
})

test('a wrong, open or missing key file is a refusal', async () => {
  await using vault = await installation.open()
  const path = join(installation.dataDir, 'seal.key')
  const other = join(installation.dataDir, 'other.key')
  await makeKeyFile(other)
  expect(await attempt(vault, { kind: 'key-file', path: other })).toBe(
    'that key file does not open this vault',
  )
  expect(await attempt(vault, { kind: 'key-file', path: `${other}.gone` })).toContain('there is no key file')
  await chmod(path, 0o644)
  expect(await attempt(vault, { kind: 'stored-key-file' })).toContain('others may read')
  await chmod(path, 0o600)
  expect(await attempt(vault, { kind: 'stored-key-file' })).toBe('opened')
})

test('a damaged wrap of the root key is a fault, and another installation’s a refusal', async () => {
  await using other = await newInstallation(postgres)
  const [kept] = await other.sql(`select envelope from seal_wrap where kind = 'key-file'`)
  await other.sql(
    `update seal_wrap set envelope = set_byte(envelope, 100, get_byte(envelope, 100) # 1) where kind = 'key-file'`,
  )
  {
    await using vault = await other.open()
    await expect(vault.unseal({ kind: 'stored-key-file' }, somebody)).rejects.toThrow(Fault)
    expect(vault.isSealed).toBe(true)
  }
  await other.sql(`update seal_wrap set envelope = $1 where kind = 'key-file'`, [kept?.['envelope']])
  const [foreign] = await installation.sql(`select envelope from seal_wrap where kind = 'key-file'`)
  await other.sql(`update seal_wrap set envelope = $1 where kind = 'key-file'`, [foreign?.['envelope']])
  await using vault = await other.open()
  expect(await attempt(vault, { kind: 'stored-key-file' })).toBe('that key file does not open this vault')
})

test('sealed means that nothing opens', async () => {
  await using vault = await installation.unsealed()
  const { intakeKey } = await vault.state()
  using secret = Secret.fromText('hunter2')
  const sealed = sealToBox(intakeKey ?? new Uint8Array(32), secret)
  const opened = vault.openIntake(sealed)
  expect(opened.ok).toBe(true)
  if (opened.ok) opened.value[Symbol.dispose]()
  await vault.seal(somebody, 'end')
  expect(() => vault.openIntake(sealed)).toThrow('the vault is sealed')
  expect(() => vault.purposeKey('token')).toThrow('the vault is sealed')
  await expect(
    vault.secrets.take({ safe: 's', account: 'a', version: 1, field: 'password', kind: 'password' }),
  ).rejects.toThrow('sealed')
  await expect(
    vault.inTransaction(async (tx) => tx.guard.remove('plaque' as never, { id: 'x' })),
  ).rejects.toThrow('sealed')
})

test('what happens while sealed is in the log after the unsealing, marked', async () => {
  await using vault = await installation.open()
  await vault.inTransaction((tx) =>
    tx.audit({ kind: 'refused', actor: somebody, verb: 'x', code: 'sealed', why: 'while sealed' }),
  )
  await vault.unseal({ kind: 'stored-key-file' }, somebody)
  const views = await vault.listAudit({ limit: 5 })
  const found = views.find((view) => view.text.includes('while sealed'))
  expect(found?.text).toContain('nobody vouches for it')
  expect(views.at(-1)?.kind).toBe('vault.unsealed')
  expect(views.at(-1)?.text).not.toContain('nobody vouches')
})

test('a second vault on the same database is refused while the first runs', async () => {
  await using first = await installation.open()
  expect(first.isSealed).toBe(true)
  await expect(installation.open({ patience: 200 })).rejects.toThrow(
    'another vault is running on this database',
  )
})

test('a version that brings a new guarded table opens an older database', async () => {
  await using other = await newInstallation(postgres)
  const older = { plaque: testShapes['plaque'] as never }
  await other.sql(`delete from guard where guarded = 'pair'`)
  {
    await using vault = await other.open({ guarded: older })
    // The state file still knows of the guard that was taken away; the older version does not look at it.
    expect(await attempt(vault, { kind: 'stored-key-file' })).toBe('opened')
  }
  await using vault = await other.unsealed()
  await vault.inTransaction(async (tx) => {
    const row = { left_id: 'l', right_id: 'r', words: 'w' }
    const { epoch, mac } = tx.guard.stamp('pair' as never, row)
    await tx.db
      .insertInto('pair' as never)
      .values({ ...row, epoch, mac } as never)
      .execute()
  })
})

test('the files of the data folder are for the vault alone', async () => {
  await using vault = await installation.unsealed()
  expect(vault.isSealed).toBe(false)
  for (const name of ['vault.state', 'audit-witness.log']) {
    const { stat } = await import('node:fs/promises')
    expect((await stat(join(installation.dataDir, 'vault', name))).mode & 0o777).toBe(0o600)
  }
  expect(
    (await readFile(join(installation.dataDir, 'vault', 'vault.state'))).toString('latin1'),
  ).not.toContain('plaque')
})
