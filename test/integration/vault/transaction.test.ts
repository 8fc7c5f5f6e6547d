import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Vault } from '../../../vault/open.ts'
import { readPlaque, removePlaque, writePlaque } from '../../support/plaques.ts'
import { startTestPostgres, type TestPostgres } from '../../support/postgres.ts'
import {
  aPlaque,
  newInstallation,
  plaque,
  somebody,
  type TestInstallation,
} from '../../support/vault-keys.ts'

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres.stop())

const entryOf = (why: string) =>
  ({ kind: 'refused', actor: somebody, verb: 'plaque', code: 'invalid', why }) as const

async function plaqueEntries(vault: Vault): Promise<readonly string[]> {
  const views = await vault.listAudit({ from: 0, limit: 10_000, kind: 'refused' })
  return views.map((view) => /plaque \d+;/.exec(view.text)?.[0] ?? '')
}

test('a change that fails leaves neither row, nor guard, nor audit entry', async () => {
  await using installation = await newInstallation(postgres)
  await using vault = await installation.unsealed()
  let told = false
  await expect(
    vault.inTransaction(async (tx) => {
      await writePlaque(tx, aPlaque('one'))
      await tx.audit(entryOf('plaque 1;'))
      tx.afterCommit(() => {
        told = true
      })
      throw new Error('changed my mind')
    }),
  ).rejects.toThrow('changed my mind')
  expect(told).toBe(false)
  expect(await readPlaque(vault, 'one')).toBeUndefined()
  expect(await plaqueEntries(vault)).toEqual([])
  await vault.inTransaction((tx) => writePlaque(tx, aPlaque('one')))
  expect((await readPlaque(vault, 'one'))?.words).toBe('first')
})

test('a row is read back right by whoever began before, during or after its change', async () => {
  await using installation = await newInstallation(postgres)
  await using vault = await installation.unsealed()
  await vault.inTransaction((tx) => writePlaque(tx, aPlaque('one')))
  await vault.inTransaction(async (reader) => {
    await sql`set transaction isolation level repeatable read`.execute(reader.db)
    const read = async () =>
      (await sql<never>`select * from plaque where id = 'one'`.execute(reader.db)).rows[0]
    await read()
    await vault.inTransaction((tx) => writePlaque(tx, aPlaque('one', 'second')))
    // Its snapshot is older than the change: what it reads was right when it began.
    reader.guard.check(plaque, (await read()) as never)
  })
  await vault.inTransaction(async (tx) => {
    await writePlaque(tx, aPlaque('one', 'third'))
    const own = (await sql<never>`select * from plaque where id = 'one'`.execute(tx.db)).rows[0]
    tx.guard.check(plaque, own as never)
  })
})

test('many writers and readers at once never see a false alarm, and the guard adds up', async () => {
  await using installation = await newInstallation(postgres)
  {
    await using vault = await installation.unsealed({ connections: 16 })
    const ids = ['a', 'b', 'c', 'd', 'e']
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
      return seed % below
    }
    const id = () => ids[random(ids.length)] ?? 'a'
    let done = false
    const writer = async (name: number) => {
      for (let round = 0; round < 25; round += 1)
        await vault
          .inTransaction(async (tx) => {
            for (let count = 1 + random(3); count > 0; count -= 1)
              await (random(4) === 0
                ? removePlaque(tx, id())
                : writePlaque(tx, aPlaque(id(), `${name}/${round}`)))
            await tx.audit(entryOf(`plaque ${name * 100 + round};`))
            if (random(5) === 0) throw new Error('undone')
          })
          .catch((error: unknown) => {
            if (!(error instanceof Error && error.message === 'undone')) throw error
          })
    }
    const reader = async () => {
      while (!done) await readPlaque(vault, id())
    }
    const readers = [reader(), reader(), reader()]
    await Promise.all(Array.from({ length: 8 }, (_, name) => writer(name)))
    done = true
    await Promise.all(readers)
    expect((await vault.verifyAudit()).ok).toBe(true)
  }
  await using vault = await installation.unsealed()
  expect(vault.isSealed).toBe(false)
})

test('connections cut at any moment lose nothing that was answered, and raise no alarm', async () => {
  await using installation = await newInstallation(postgres)
  const answered: number[] = []
  {
    await using vault = await installation.unsealed()
    let next = 0
    let done = false
    const worker = async () => {
      while (!done) {
        const number = next
        next += 1
        try {
          await vault.inTransaction(async (tx) => {
            await writePlaque(tx, aPlaque(`p${number}`))
            await tx.audit(entryOf(`plaque ${number};`))
          })
          answered.push(number)
        } catch (error) {
          expect(String(error)).not.toMatch(/row|guard/i)
        }
      }
    }
    const workers = [worker(), worker(), worker(), worker()]
    for (let cut = 0; cut < 15; cut += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      await installation.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'tagout_vault' and datname = current_database()`,
      )
    }
    done = true
    await Promise.all(workers)
    await expect
      .poll(() => vault.sequenceNow().then(() => 'sequenced', String), { timeout: 10_000 })
      .toBe('sequenced')
    await expect
      .poll(async () => new Set(await plaqueEntries(vault)).size, { timeout: 10_000 })
      .toBeGreaterThanOrEqual(answered.length)
    const entries = await plaqueEntries(vault)
    expect(new Set(entries).size).toBe(entries.length)
    for (const number of answered) expect(entries).toContain(`plaque ${number};`)
    expect((await vault.verifyAudit()).sentence).toMatch(/are whole/)
    for (const number of answered.slice(-50)) expect(await readPlaque(vault, `p${number}`)).toBeDefined()
  }
  await using vault = await installation.unsealed()
  expect(vault.isSealed).toBe(false)
})

function startBusy(installation: TestInstallation, first: number, ...more: readonly string[]): ChildProcess {
  const script = join(import.meta.dirname, '../../support/busy-vault.ts')
  return spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      script,
      installation.vaultUrl,
      installation.dataDir,
      String(first),
      ...more,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
}

test('an entry whose vault was killed before it was sequenced is in the log, once', async () => {
  await using installation = await newInstallation(postgres)
  const child = startBusy(installation, 1, 'once')
  const signal = await new Promise((resolve) => child.once('exit', (_, by) => resolve(by)))
  expect(signal).toBe('SIGKILL')
  const waiting = await installation.sql(
    'select 1 from audit_entry e where not exists (select 1 from audit_leaf l where l.entry = e.id)',
  )
  expect(waiting.length).toBe(1)
  await using vault = await installation.unsealed()
  expect(await plaqueEntries(vault)).toEqual(['plaque 1;'])
  expect((await vault.listAudit({ limit: 3 })).map((view) => view.text).join()).not.toContain(
    'nobody vouches',
  )
})

test('a vault killed at work has kept everything that it answered', async () => {
  await using installation = await newInstallation(postgres)
  let first = 0
  for (const afterAnswers of [1, 40, 150]) {
    const child = startBusy(installation, first)
    const answered: number[] = []
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () =>
        answered.length >= afterAnswers ? resolve() : reject(new Error('the vault ended')),
      )
      child.stdout?.on('data', (chunk: Buffer) => {
        answered.push(...chunk.toString().split('\n').filter(Boolean).map(Number))
        if (answered.length >= afterAnswers) child.kill('SIGKILL')
      })
    })
    first += 10_000
    await using vault = await installation.unsealed()
    const entries = await plaqueEntries(vault)
    expect(new Set(entries).size).toBe(entries.length)
    for (const number of answered) {
      expect(entries).toContain(`plaque ${number};`)
      expect(await readPlaque(vault, `p${number}`)).toBeDefined()
    }
    expect((await vault.verifyAudit()).ok).toBe(true)
  }
})

test('twenty thousand guarded rows are checked at unsealing, page by page', async () => {
  await using installation = await newInstallation(postgres)
  const count = 20_000
  {
    await using vault = await installation.unsealed()
    await vault.inTransaction(async (tx) => {
      for (let start = 0; start < count; start += 5_000) {
        const rows = Array.from({ length: 5_000 }, (_, at) => {
          const row = aPlaque(`p${start + at}`)
          return { ...row, ...tx.guard.stamp(plaque, row) }
        })
        await sql`
          insert into plaque (id, words, size, hidden, made_at, tags, bytes, epoch, mac)
          select r.id, 'first', 7, false, ${rows[0]?.made_at}, array['a', 'b,c'], '\\x00ff', r.epoch, r.mac
          from unnest(${rows.map((row) => row.id)}::text[], ${rows.map((row) => row.epoch)}::bigint[],
            ${rows.map((row) => Buffer.from(row.mac))}::bytea[]) as r (id, epoch, mac)`.execute(tx.db)
      }
    })
  }
  await using vault = await installation.unsealed()
  expect(await readPlaque(vault, 'p19999')).toBeDefined()
})
