import { timingSafeEqual } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { encodeParts } from '../kernel/encoding.ts'
import { Fault } from '../kernel/fault.ts'
import type { GuardMemory } from './guard-load.ts'
import type { Keyring } from './keyring.ts'
import type { RootKeyRow } from './root-key.ts'
import type { Wrap } from './seal-wrap.ts'

/** Under which name the vault remembers its set of seals beside its guarded tables, in `vault.state`. */
export const sealSetName = 'seal_set'

/** What the vault last wrote of its ways to unseal: which change it was, and the MAC over all of them. */
export type SealSet = { readonly counter: number; readonly mac: Uint8Array }

type Rows = { readonly wraps: readonly Wrap[]; readonly roots: readonly RootKeyRow[] }

async function readRows(db: Kysely<Database>): Promise<Rows> {
  return {
    wraps: await db.selectFrom('seal_wrap').selectAll().orderBy('id').execute(),
    roots: await db.selectFrom('root_key').selectAll().orderBy('version').execute(),
  }
}

function macOf(keyring: Keyring, counter: number, { wraps, roots }: Rows): Buffer {
  const parts: (string | Uint8Array)[] = [String(counter)]
  for (const wrap of wraps.toSorted((a, b) => (a.id < b.id ? -1 : 1)))
    parts.push(
      'wrap',
      wrap.id,
      wrap.kind,
      wrap.parameters,
      wrap.envelope,
      wrap.box_key ?? '',
      wrap.key_box ?? '',
      String(wrap.root_version),
    )
  for (const root of roots)
    parts.push('root', String(root.version), root.key_id, root.base_key, root.previous ?? '')
  return keyring.mac('seal-set', encodeParts(...parts))
}

/**
 * Writes the MAC over the seals as this transaction leaves them: its last statement about them. Two changes at once
 * wait for each other.
 */
export async function writeSealSet(db: Kysely<Database>, keyring: Keyring): Promise<SealSet> {
  const before = await db.selectFrom('seal_set').selectAll().forUpdate().executeTakeFirst()
  const counter = (before?.generation ?? -1) + 1
  const mac = macOf(keyring, counter, await readRows(db))
  await db
    .insertInto('seal_set')
    .values({ generation: counter, mac })
    .onConflict((conflict) => conflict.column('only_row').doUpdateSet({ generation: counter, mac }))
    .execute()
  return { counter, mac }
}

/**
 * Checks the seals against the vault's MAC and what it remembers. Answers the set as it is (undefined where a version
 * before this wrote none), and what is wrong with it beside its age.
 *
 * SECURITY: whoever can write to the database could otherwise add a way to unseal for the next root key to be
 * wrapped for, or put one back that was taken away. Throws `Fault('forged_row')`.
 */
export async function verifySealSet(
  db: Kysely<Database>,
  keyring: Keyring,
  memory: GuardMemory,
): Promise<{ readonly set: SealSet | undefined; readonly finding: string | undefined }> {
  const known = memory[sealSetName]
  const row = await db.selectFrom('seal_set').selectAll().executeTakeFirst()
  if (row === undefined) {
    if (known !== undefined)
      throw new Fault('forged_row', 'the list of the ways to unseal this vault was taken away')
    return { set: undefined, finding: undefined }
  }
  const mac = macOf(keyring, row.generation, await readRows(db))
  if (row.mac.length !== mac.length || !timingSafeEqual(row.mac, mac))
    throw new Fault('forged_row', 'the ways to unseal this vault are not what it last wrote')
  const finding =
    known === undefined
      ? undefined
      : row.generation < known.counter
        ? `the ways to unseal are those of change ${row.generation}, this vault has written change ${known.counter}`
        : row.generation === known.counter && mac.toString('hex') !== known.mac
          ? `the ways to unseal are of another change ${row.generation} than this vault wrote`
          : undefined
  return { set: { counter: row.generation, mac }, finding }
}
