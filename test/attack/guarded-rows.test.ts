import { readFile, writeFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '../../vault/kernel/fault.ts'
import type { Stamp } from '../../vault/keys/guarded.ts'
import type { Vault } from '../../vault/open.ts'
import { readPlaque, removePlaque, writePlaque } from '../support/plaques.ts'
import { startTestPostgres, type TestPostgres } from '../support/postgres.ts'
import { aPlaque, newInstallation, plaque, somebody, type TestInstallation } from '../support/vault-keys.ts'

/** What a superuser of the database can do to guarded rows, directly in SQL, and what the vault says to it. */

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres.stop())

async function faultOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    return error instanceof Fault ? error.code : `another error: ${String(error)}`
  }
}

async function withThree(
  installation: TestInstallation,
  act: (vault: Vault) => Promise<void>,
): Promise<void> {
  await using vault = await installation.unsealed()
  await vault.inTransaction(async (tx) => {
    for (const id of ['one', 'two', 'three']) await writePlaque(tx, aPlaque(id))
  })
  await act(vault)
}

/** What unsealing says: `opened`, a refusal's code, or a fault's code. */
async function unsealing(installation: TestInstallation, acceptRollback = false): Promise<string> {
  await using vault = await installation.open()
  try {
    const outcome = await vault.unseal({ kind: 'stored-key-file' }, somebody, { acceptRollback })
    return outcome.ok ? 'opened' : outcome.refusal.code
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    expect(vault.isSealed).toBe(true)
    return error.code
  }
}

test('a row with any column changed is forged', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql('create table kept as select * from plaque')
    for (const [column, value] of [
      ['words', `'second'`],
      ['size', '8'],
      ['hidden', 'true'],
      ['made_at', `made_at + interval '1 millisecond'`],
      ['tags', `array['a,b', 'c']`],
      ['bytes', `'\\x00fe'`],
      ['note', `'now there is one'`],
      ['epoch', 'epoch + 1'],
      ['mac', `decode(repeat('00', 32), 'hex')`],
    ]) {
      await installation.sql(`update plaque set ${column} = ${value} where id = 'two'`)
      expect(await faultOf(readPlaque(vault, 'two')), column).toBe('forged_row')
      expect(await faultOf(readPlaque(vault, 'one'))).toBe('none')
      await installation.sql(`update plaque p set ${column} = k.${column} from kept k where p.id = k.id`)
      expect(await faultOf(readPlaque(vault, 'two'))).toBe('none')
    }
  })
  await installation.sql(`update plaque set hidden = true where id = 'two'`)
  expect(await unsealing(installation)).toBe('forged_row')
  expect(await unsealing(installation, true)).toBe('forged_row')
})

test('a genuine row under another id is forged', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql(`delete from plaque where id = 'one'`)
    await installation.sql(`update plaque set id = 'one' where id = 'two'`)
    expect(await faultOf(readPlaque(vault, 'one'))).toBe('forged_row')
  })
})

test('a row put back to what it was is noticed at once, and after a restart', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql(`create table kept as select * from plaque where id = 'two'`)
    await vault.inTransaction((tx) => writePlaque(tx, aPlaque('two', 'second')))
    await installation.sql(`update plaque p set words = k.words, epoch = k.epoch, mac = k.mac
      from kept k where p.id = k.id`)
    // A statement that began before the change may see the old row; one of the next minute may not.
    expect(
      await faultOf(
        vault.inTransaction(async (tx) => tx.guard.check(plaque, await row(installation, 'two'))),
      ),
    ).toBe('rolled_back_row')
  })
  expect(await unsealing(installation)).toBe('rolled_back_row')
  expect(await unsealing(installation, true)).toBe('rolled_back_row')
})

async function row(installation: TestInstallation, id: string): Promise<never> {
  const [found] = await installation.sql(`select * from plaque where id = $1`, [id])
  return { ...found, epoch: Number(found?.['epoch']) } as never
}

test('a row taken away is noticed at once, and after a restart', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql(`delete from plaque where id = 'two'`)
    const absent = (id: string) =>
      faultOf(vault.inTransaction(async (tx) => tx.guard.checkAbsent(plaque, { id })))
    expect(await absent('two')).toBe('rolled_back_row')
    expect(await absent('never there')).toBe('none')
  })
  expect(await unsealing(installation)).toBe('rolled_back_row')
})

test('a row that was deleted and is put back is noticed at once, and after a restart', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql(`create table kept as select * from plaque where id = 'two'`)
    await vault.inTransaction((tx) => removePlaque(tx, 'two'))
    await installation.sql('insert into plaque select * from kept')
    expect(
      await faultOf(
        vault.inTransaction(async (tx) => tx.guard.check(plaque, await row(installation, 'two'))),
      ),
    ).toBe('rolled_back_row')
  })
  expect(await unsealing(installation)).toBe('rolled_back_row')
})

test('a row that the vault wrote in a transaction that was undone is not taken', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    const undone = aPlaque('four', 'undone')
    let stamp: Stamp | undefined
    const attempt = vault.inTransaction(async (tx) => {
      stamp = tx.guard.stamp(plaque, undone)
      throw new Error('changed my mind')
    })
    await expect(attempt).rejects.toThrow('changed my mind')
    // Its MAC is genuine: it was on the database's disk for a moment.
    await expect(
      vault.inTransaction(async (tx) => tx.guard.check(plaque, { ...undone, ...(stamp as Stamp) })),
    ).rejects.toThrow('not what the vault last wrote')
  })
})

test('a write that the guard refused holds nobody else up', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql('create table kept as select * from guard')
    await installation.sql(`update guard set mac = decode(repeat('00', 32), 'hex')`)
    expect(await faultOf(vault.inTransaction((tx) => writePlaque(tx, aPlaque('one', 'second'))))).toBe(
      'rolled_back_row',
    )
    await installation.sql('update guard g set mac = k.mac from kept k where k.guarded = g.guarded')
    await vault.inTransaction((tx) => writePlaque(tx, aPlaque('one', 'third')))
    expect((await readPlaque(vault, 'one'))?.words).toBe('third')
  })
})

test('a guard row put back, changed or taken away stops the next write, and the next unsealing', async () => {
  for (const attack of [
    `update guard g set counter = k.counter, epoch = k.epoch, row_count = k.row_count, mac = k.mac
       from kept k where g.guarded = k.guarded`,
    `update guard set mac = decode(repeat('00', 32), 'hex')`,
    'delete from guard',
  ]) {
    await using installation = await newInstallation(postgres)
    await withThree(installation, async (vault) => {
      await installation.sql('create table kept as select * from guard')
      await vault.inTransaction((tx) => writePlaque(tx, aPlaque('two', 'second')))
      await installation.sql(attack)
      const fault = await faultOf(vault.inTransaction((tx) => writePlaque(tx, aPlaque('three', 'third'))))
      expect(fault).toBe('rolled_back_row')
    })
    expect(await unsealing(installation)).toBe('rolled_back_row')
  }
})

test('a table put back together with its guard is refused at unsealing, and can be accepted, audited', async () => {
  await using installation = await newInstallation(postgres)
  await withThree(installation, async (vault) => {
    await installation.sql('create table kept as select * from plaque')
    await installation.sql('create table kept_guard as select * from guard')
    await vault.inTransaction((tx) => writePlaque(tx, aPlaque('two', 'second')))
  })
  await installation.sql('truncate plaque')
  await installation.sql('insert into plaque select * from kept')
  await installation.sql('delete from guard')
  await installation.sql('insert into guard select * from kept_guard')
  expect(await unsealing(installation)).toBe('conflict')
  expect(await unsealing(installation, true)).toBe('opened')
  expect(await unsealing(installation)).toBe('opened')
  await using vault = await installation.unsealed()
  expect((await readPlaque(vault, 'two'))?.words).toBe('first')
  const entries = await vault.listAudit({ limit: 10, kind: 'vault.rollback-accepted' })
  expect(entries.map((entry) => entry.text).join()).toContain('table plaque is at change')
})

test('without its state file, or with one of another time, a vault does not unseal', async () => {
  await using installation = await newInstallation(postgres)
  const path = join(installation.dataDir, 'vault', 'vault.state')
  const old = await readFile(path)
  await withThree(installation, async () => {})
  await rm(path)
  expect(await unsealing(installation)).toBe('conflict')
  await writeFile(path, 'something else')
  expect(await unsealing(installation)).toBe('conflict')
  expect(await unsealing(installation, true)).toBe('opened')
  // An older file is what a machine that stopped in time leaves: the database is newer, and agrees with itself.
  await writeFile(path, old)
  expect(await unsealing(installation)).toBe('opened')
})

test('public keys exchanged in the database are noticed at unsealing', async () => {
  await using installation = await newInstallation(postgres)
  await installation.sql(`update installation set intake_key = decode(repeat('01', 32), 'hex')`)
  expect(await unsealing(installation)).toBe('forged_row')
})

test('the vault’s own role cannot touch what it need not', async () => {
  await using installation = await newInstallation(postgres)
  await using vault = await installation.unsealed()
  for (const text of [
    'update installation set id = id',
    'delete from installation',
    'update seal_wrap set kind = kind, parameters = parameters',
    'update safe_key set version = version',
    'delete from seal_set',
    'delete from key_rotation',
    'update secret_payload set envelope = envelope',
    'delete from guard',
    'create table mine (id text)',
    'drop table plaque',
    'set role tagout_owner',
  ])
    await expect(
      vault.database.executeQuery({
        sql: text,
        parameters: [],
        query: undefined as never,
        queryId: { queryId: text },
      } as never),
      text,
    ).rejects.toThrow(/denied|must be owner/)
})
