import { setImmediate as breathe } from 'node:timers/promises'
import { sql } from 'kysely'
import { seal } from '../crypto/envelope.ts'
import type { Tx } from '../transaction.ts'
import type { Keyring } from './keyring.ts'
import { dataKeyContext, openKey, openSafeKey, wrapSafeKey } from './secret-store.ts'

type Ports = { readonly inTransaction: <T>(act: (tx: Tx) => Promise<T>) => Promise<T> }

/** Keys in one transaction: measured, larger ones win nothing and hold their rows longer. */
const batchKeys = 1_000
/** Keys between two looks at what else the vault is asked, which must not wait for a whole batch. */
const strideKeys = 16

/** Wraps the keys of safes by the present root, a batch at each step, until none lies under an older one. */
export async function* rewrapSafeKeys(
  ports: Ports,
  keyring: Keyring,
  rotation: string,
): AsyncGenerator<number> {
  for (;;) {
    const root_version = keyring.rootVersion
    const count = await ports.inTransaction(async (tx) => {
      const rows = await tx.db
        .selectFrom('safe_key')
        .selectAll()
        .where('root_version', '<', root_version)
        .orderBy('safe')
        .orderBy('version')
        .limit(batchKeys)
        .forNoKeyUpdate()
        .execute()
      for (const [at, row] of rows.entries()) {
        if (at % strideKeys === 0) await breathe()
        using key = openSafeKey(keyring, row.safe, row, row.envelope)
        await tx.db
          .updateTable('safe_key')
          .set({
            envelope: wrapSafeKey(keyring, row.safe, row.version, key, root_version),
            root_version,
          })
          .where('safe', '=', row.safe)
          .where('version', '=', row.version)
          .execute()
      }
      await progress(tx, rotation, rows.length)
      return rows.length
    })
    if (count === 0) return
    yield count
  }
}

/**
 * Wraps the data keys of a safe by its key of this version, a batch at each step, until none lies under an older one.
 * It goes through them in the order of the table's own key, then looks whether one was added behind it.
 */
export async function* rewrapDataKeys(
  ports: Ports,
  keyring: Keyring,
  rotation: string,
  safe: string,
  version: number,
): AsyncGenerator<number> {
  let after: { readonly account: string; readonly version: number } | undefined
  for (;;) {
    const batch = await ports.inTransaction((tx) => oneBatch(tx, keyring, rotation, safe, version, after))
    if (batch.count > 0) yield batch.count
    if (batch.last === undefined && after === undefined) return
    after = batch.last
  }
}

async function oneBatch(
  tx: Tx,
  keyring: Keyring,
  rotation: string,
  safe: string,
  version: number,
  after: { readonly account: string; readonly version: number } | undefined,
) {
  const keys = await tx.db.selectFrom('safe_key').selectAll().where('safe', '=', safe).execute()
  using stack = new DisposableStack()
  const opened = new Map(
    keys.map((row) => [row.version, stack.use(openSafeKey(keyring, safe, row, row.envelope))]),
  )
  const to = opened.get(version)
  if (to === undefined) throw new TypeError('the key of the safe that others are wrapped by is gone')
  // Without this the planner may sort a million keys for each batch.
  await sql`set local enable_sort = off`.execute(tx.db)
  let query = tx.db
    .selectFrom('secret_key')
    .selectAll()
    .where('safe', '=', safe)
    .where('safe_key_version', '<', version)
    .orderBy('account')
    .orderBy('version')
    .limit(batchKeys)
    .forNoKeyUpdate()
  if (after !== undefined)
    query = query.where(sql<boolean>`(account, version) > (${after.account}, ${after.version})`)
  const rows = await query.execute()
  const envelopes: Buffer[] = []
  for (const [at, row] of rows.entries()) {
    if (at % strideKeys === 0) await breathe()
    const by = opened.get(row.safe_key_version)
    if (by === undefined) throw new TypeError('a key of the safe is gone')
    using key = openKey(by, row.envelope, dataKeyContext(keyring, row, row.safe_key_version))
    envelopes.push(Buffer.from(seal(to, key.secret, dataKeyContext(keyring, row, version))))
  }
  if (rows.length > 0)
    await sql`
      update secret_key as k set envelope = fresh.envelope, safe_key_version = ${version}
      from unnest(
        ${rows.map((row) => row.account)}::text[], ${rows.map((row) => row.version)}::integer[], ${envelopes}::bytea[]
      ) as fresh (account, version, envelope)
      where k.account = fresh.account and k.version = fresh.version`.execute(tx.db)
  await progress(tx, rotation, rows.length)
  const last = rows.at(-1)
  return {
    count: rows.length,
    last: last === undefined ? undefined : { account: last.account, version: last.version },
  }
}

async function progress(tx: Tx, rotation: string, count: number): Promise<void> {
  if (count === 0) return
  await tx.db
    .updateTable('key_rotation')
    .set((eb) => ({ done: eb('done', '+', count) }))
    .where('id', '=', rotation)
    .execute()
}
