import { sql } from 'kysely'
import type { Stamp } from '../../vault/keys/guarded.ts'
import type { Vault } from '../../vault/open.ts'
import type { Tx } from '../../vault/transaction.ts'
import { type Plaque, plaque } from './vault-keys.ts'

/** Inserts a plaque, or replaces it. */
export async function writePlaque(tx: Tx, row: Plaque): Promise<void> {
  const { epoch, mac } = tx.guard.stamp(plaque, row)
  await sql`
    insert into plaque (id, words, size, hidden, made_at, tags, bytes, note, epoch, mac)
    values (${row.id}, ${row.words}, ${row.size}, ${row.hidden}, ${row.made_at}, ${row.tags}, ${row.bytes},
      ${row.note}, ${epoch}, ${mac})
    on conflict (id) do update set words = excluded.words, size = excluded.size, hidden = excluded.hidden,
      made_at = excluded.made_at, tags = excluded.tags, bytes = excluded.bytes, note = excluded.note,
      epoch = excluded.epoch, mac = excluded.mac`.execute(tx.db)
}

export async function removePlaque(tx: Tx, id: string): Promise<void> {
  tx.guard.remove(plaque, { id })
  await sql`delete from plaque where id = ${id}`.execute(tx.db)
}

/** Reads a plaque as the vault must: checked, or checked to be absent. */
export async function readPlaque(vault: Vault, id: string): Promise<Plaque | undefined> {
  const { rows } = await sql<Plaque & Stamp>`select * from plaque where id = ${id}`.execute(vault.database)
  const [row] = rows
  if (row === undefined) vault.guard.checkAbsent(plaque, { id })
  else vault.guard.check(plaque, row)
  return row
}
