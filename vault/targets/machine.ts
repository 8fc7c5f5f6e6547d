import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { TargetId } from '../kernel/id.ts'
import { type Checker, checked, type Row } from '../rows.ts'
import { canonicalHost } from './address.ts'

/** The part of a target's row that says which machine it is a record of. */
export type Record = Pick<Row<'target'>, 'id' | 'host' | 'port'>

/**
 * Reads some targets, and answers which of them are at the address of a given one, removed ones too: what is held or
 * limited is a machine, not a record of it. The given one is always among them.
 *
 * SECURITY: each row is looked at, not sought by its address: a forged address would hide it.
 */
export async function recordsOf(
  db: Kysely<Database>,
  checker: Checker,
  among: readonly TargetId[],
): Promise<(machine: Record) => ReadonlySet<TargetId>> {
  const ids = [...new Set(among)]
  const rows =
    ids.length === 0
      ? []
      : checked(checker, 'target', await db.selectFrom('target').selectAll().where('id', 'in', ids).execute())
  const found = new Set(rows.map(({ id }) => id))
  for (const id of ids) if (!found.has(id)) checker.checkAbsent('target', { id })
  const byAddress = Map.groupBy(rows, addressOf)
  return (machine) => new Set([machine.id, ...(byAddress.get(addressOf(machine)) ?? []).map(({ id }) => id)])
}

function addressOf({ host, port }: Record): string {
  return `${canonicalHost(host)} ${port}`
}
