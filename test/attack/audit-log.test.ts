import { copyFile, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Vault } from '../../vault/open.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'
import { newInstallation, somebody, type TestInstallation } from '../support/vault-keys.ts'

/** What a superuser of the database can do to the audit log, directly in SQL, and who notices. */

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres.stop())

async function happen(vault: Vault, ...reasons: readonly string[]): Promise<void> {
  for (const why of reasons) {
    await vault.inTransaction((tx) =>
      tx.audit({ kind: 'refused', actor: somebody, verb: 'a.verb', code: 'forbidden', why }),
    )
    await vault.sequenceNow()
  }
}

async function unsealing(installation: TestInstallation, acceptRollback = false): Promise<string> {
  await using vault = await installation.open()
  try {
    const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody, { acceptRollback })
    return outcome.ok ? 'opened' : outcome.refusal.message
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return error.message
  }
}

async function verdict(installation: TestInstallation): Promise<string> {
  await using vault = await installation.open()
  const { ok, sentence } = await vault.verifyAudit()
  return ok ? 'whole' : sentence
}

/** Superusers go round triggers. */
async function unlocked(installation: TestInstallation, ...statements: readonly string[]): Promise<void> {
  await installation.sql('set session_replication_role = replica')
  for (const statement of statements) await installation.sql(statement)
  await installation.sql('set session_replication_role = origin')
}

const tables = ['audit_checkpoint', 'audit_node', 'audit_leaf', 'audit_entry'] as const

/** Does harm, has `act` look at it, and undoes it. */
async function attacked(
  installation: TestInstallation,
  statements: readonly string[],
  act: () => Promise<void>,
): Promise<void> {
  await unlocked(installation, ...tables.map((table) => `create table kept_${table} as table ${table}`))
  await unlocked(installation, ...statements)
  await act()
  await unlocked(
    installation,
    ...tables.map((table) => `delete from ${table}`),
    ...tables.map((table) => `insert into ${table} overriding system value table kept_${table}`),
    ...tables.map((table) => `drop table kept_${table}`),
  )
}

let shared: TestInstallation | undefined
afterAll(() => shared?.[Symbol.asyncDispose]())

// An installation that did six things: entry 0 initialised it, entry 1 unsealed it, 2 to 5 are refusals.
async function sixEntries(): Promise<TestInstallation> {
  const installation = await newInstallation(postgres)
  await using vault = await installation.unsealed()
  await happen(vault, 'first', 'second', 'third', 'fourth')
  const { ok, leaves } = await vault.verifyAudit()
  expect({ ok, leaves }).toEqual({ ok: true, leaves: 6 })
  return installation
}

const bodyOf = (seq: number) => `(select entry from audit_leaf where seq = ${seq})`

test.each([
  [
    'an entry edited',
    [
      `update audit_entry set body = convert_to(replace(convert_from(body, 'utf8'), 'second', 'harmless'), 'utf8') where id = ${bodyOf(3)}`,
    ],
    /entry 3 is not what was signed|entry 3 was changed/,
  ],
  [
    'the last entry edited',
    [
      `update audit_entry set body = convert_to(replace(convert_from(body, 'utf8'), 'fourth', 'harmless'), 'utf8') where id = ${bodyOf(5)}`,
    ],
    /entry 5 is not what was signed/,
  ],
  ['an entry deleted', [`delete from audit_leaf where seq = 3`], /entry 3 is missing/],
  [
    'an entry’s text deleted',
    [`delete from audit_entry where id = ${bodyOf(3)}`],
    /entry 3 of the audit log is missing/,
  ],
  ['the last entry deleted', ['delete from audit_leaf where seq = 5'], /the last 1 are missing/],
  [
    'the last entry and its checkpoint deleted',
    ['delete from audit_leaf where seq = 5', 'delete from audit_checkpoint where size = 6'],
    /the last 1 are missing/,
  ],
  [
    'an entry deleted and the rest renumbered',
    ['delete from audit_leaf where seq = 3', 'update audit_leaf set seq = seq - 1 where seq > 3'],
    /entry 3 is not what was signed|entry 2 was changed/,
  ],
  [
    'two entries exchanged',
    [
      'update audit_leaf set seq = case seq when 3 then 104 else 103 end where seq in (3, 4)',
      'update audit_leaf set seq = seq - 100 where seq > 100',
    ],
    /entry 2 was changed|entry 3 is not what was signed/,
  ],
  [
    'a proven entry called unproven',
    ['update audit_leaf set unproven = true where seq = 3'],
    /entry 3 is not what was signed|entry 3 was changed/,
  ],
  [
    'a leaf put in that nobody signed',
    [
      `insert into audit_entry (id, body) values (decode(repeat('ab', 16), 'hex'), '{}')`,
      `insert into audit_leaf values (6, decode(repeat('ab', 16), 'hex'), false, decode(repeat('00', 32), 'hex'))`,
    ],
    /covered by no signature/,
  ],
  [
    'a checkpoint changed',
    [`update audit_checkpoint set body = replace(body, E'\\n6\\n', E'\\n7\\n') where size = 6`],
    /is not signed by this log/,
  ],
])('%s is located', async (_, statements, sentence) => {
  shared ??= await sixEntries()
  const installation = shared
  await attacked(installation, statements, async () => {
    expect(await verdict(installation)).toMatch(sentence)
  })
  expect(await verdict(installation)).toBe('whole')
})

test.each([
  ['the last entry is gone', ['delete from audit_leaf where seq = 5'], /has 5 entries left of 6/],
  [
    'the last entry was changed',
    [`update audit_entry set body = '{}' where id = ${bodyOf(5)}`],
    /entry 5 of the audit log was changed/,
  ],
  [
    'the last checkpoint is forged',
    [`update audit_checkpoint set body = replace(body, 'time', 'Time') where size = 6`],
    /not signed by this vault/,
  ],
  [
    'there are leaves that nobody signed',
    [
      `insert into audit_entry (id, body) values (decode(repeat('ab', 16), 'hex'), '{}')`,
      `insert into audit_leaf values (6, decode(repeat('ab', 16), 'hex'), false, decode(repeat('00', 32), 'hex'))`,
    ],
    /1 of which nobody signed/,
  ],
  [
    'a hash was changed',
    [`update audit_leaf set hash = decode(repeat('00', 32), 'hex') where seq = 4`],
    /is not the one that was signed/,
  ],
])('a vault does not unseal where %s', async (_, statements, sentence) => {
  shared ??= await sixEntries()
  const installation = shared
  await attacked(installation, statements, async () => {
    expect(await unsealing(installation)).toMatch(sentence)
    expect(await unsealing(installation, true)).toMatch(sentence)
  })
})

test('a log cut back to an earlier signed end is refused by the witness, and can be accepted, audited', async () => {
  await using installation = await sixEntries()
  await unlocked(
    installation,
    'delete from audit_leaf where seq >= 4',
    'delete from audit_entry where id not in (select entry from audit_leaf)',
    'delete from audit_checkpoint where size > 4',
  )
  expect(await unsealing(installation)).toMatch(
    /has 4 entries, its witness has seen 6: the database is older/,
  )
  expect(await unsealing(installation, true)).toBe('opened')
  expect(await unsealing(installation)).toBe('opened')
  expect(await verdict(installation)).toBe('whole')
  await using vault = await installation.unsealed()
  expect((await vault.listAudit({ limit: 1, kind: 'vault.rollback-accepted' }))[0]?.text).toContain('witness')
})

test('a history that forked, signed by the vault itself, is refused by the witness', async () => {
  await using installation = await sixEntries()
  const witness = join(installation.dataDir, 'vault', 'audit-witness.log')
  const kept = `${witness}.kept`
  // The database goes back, the vault is made to go on from there with its witness of that time, and more happens.
  await copyFile(witness, kept)
  await unlocked(
    installation,
    'delete from audit_leaf where seq >= 4',
    'delete from audit_entry where id not in (select entry from audit_leaf)',
    'delete from audit_checkpoint where size > 4',
  )
  const lines = (await readFile(witness, 'utf8')).split('\n')
  const early = lines.filter((line) => /\\n[1-4]\\n/.test(line))
  await writeFile(witness, `${early.join('\n')}\n`)
  {
    await using vault = await installation.unsealed()
    await happen(vault, 'another', 'history', 'altogether')
    expect((await vault.verifyAudit()).ok).toBe(true)
  }
  await copyFile(kept, witness)
  expect(await unsealing(installation)).toMatch(/is another than its witness has seen at 6 entries/)
  expect(await verdict(installation)).toMatch(/not what was signed|is missing|not those/)
})

test('a missing witness and one that somebody else signed are findings', async () => {
  await using installation = await sixEntries()
  await using other = await sixEntries()
  const path = join(installation.dataDir, 'vault', 'audit-witness.log')
  const kept = await readFile(path)
  await rm(path)
  expect(await unsealing(installation)).toMatch(/audit-witness.log is missing/)
  await copyFile(join(other.dataDir, 'vault', 'audit-witness.log'), path)
  expect(await unsealing(installation)).toMatch(/is not signed by this vault/)
  await writeFile(path, kept)
  expect(await unsealing(installation)).toBe('opened')
})

test('a witness whose last line a crash cut short goes on', async () => {
  await using installation = await sixEntries()
  const path = join(installation.dataDir, 'vault', 'audit-witness.log')
  const whole = await readFile(path, 'utf8')
  await writeFile(path, `${whole}{"checkpoint":"tagout/`)
  {
    await using vault = await installation.unsealed()
    await happen(vault, 'after the crash')
    expect((await vault.verifyAudit()).ok).toBe(true)
  }
  for (const line of (await readFile(path, 'utf8')).trimEnd().split('\n'))
    expect(() => JSON.parse(line)).not.toThrow()
})

test('an entry that somebody inserts is in the log, and the log says that nobody vouches for it', async () => {
  await using installation = await sixEntries()
  await using vault = await installation.unsealed()
  const body = `{"actor":{"kind":"user","id":"usr_x","name":"bob"},"at":"2026-01-01T00:00:00.000Z","code":"forbidden","kind":"refused","verb":"v","why":"forged"}`
  await installation.sql(`insert into audit_entry (id, body, mac) values
    (decode(repeat('01', 16), 'hex'), convert_to('${body}', 'utf8'), null),
    (decode(repeat('02', 16), 'hex'), convert_to('${body}', 'utf8'), decode(repeat('00', 32), 'hex'))`)
  // A genuine entry told twice: its MAC is of another id.
  await installation.sql(`insert into audit_entry (id, body, mac)
    select decode(repeat('03', 16), 'hex'), body, mac from audit_entry where id = ${bodyOf(3)}`)
  await installation.sql(`insert into audit_entry (id, body) values
    (decode(repeat('04', 16), 'hex'), 'not json at all'),
    (decode(repeat('05', 16), 'hex'), '{"actor":{},"at":"x","kind":"user.added"}')`)
  const views = await vault.listAudit({ limit: 6 })
  expect(views.slice(0, 1).map((view) => view.text.includes('nobody vouches'))).toEqual([false])
  expect(views.slice(1).map((view) => view.text.includes('nobody vouches'))).toEqual([
    true,
    true,
    true,
    true,
    true,
  ])
  expect(views.slice(4).map((view) => view.kind)).toEqual(['unreadable', 'unreadable'])
  expect((await vault.verifyAudit()).ok).toBe(true)
})

test('neither the vault’s role nor the owner can change, delete or truncate what happened', async () => {
  await using installation = await sixEntries()
  await using vault = await installation.unsealed()
  for (const table of ['audit_entry', 'audit_leaf', 'audit_checkpoint', 'audit_node'] as const) {
    await expect(vault.database.deleteFrom(table).execute(), table).rejects.toThrow(/permission denied/)
    const column = { audit_entry: 'body', audit_leaf: 'hash', audit_checkpoint: 'body', audit_node: 'hash' }[
      table
    ]
    await expect(
      vault.database
        .updateTable(table as 'audit_entry')
        .set((eb) => ({ [column]: eb.ref(column as 'body') }))
        .execute(),
      table,
    ).rejects.toThrow(/permission denied/)
    for (const statement of [
      `delete from ${table}`,
      `update ${table} set ${column} = ${column}`,
      `truncate ${table} cascade`,
    ])
      await expect(installation.sql(statement), statement).rejects.toThrow(/never changed or deleted/)
  }
})
