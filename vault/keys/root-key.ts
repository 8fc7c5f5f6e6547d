import type { Kysely, Selectable } from 'kysely'
import { type Context, open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { derive } from '../crypto/purpose.ts'
import type { KeyTables } from '../db/key-tables.ts'
import type { Database } from '../db/tables.ts'
import { Fault } from '../kernel/fault.ts'
import type { Keyring } from './keyring.ts'

export type RootKeyRow = Selectable<KeyTables['root_key']>

/** What an opened root key gives: the base key, and the roots under which something is wrapped, by version. */
export type Opened = { readonly base: Key; readonly roots: ReadonlyMap<number, Key> }

/**
 * The row of a root key: the base key and, while it is exchanged, the root before it, both wrapped by it. The caller
 * still owns all keys.
 */
export function rootKeyRow(
  version: number,
  root: Key,
  base: Key,
  previous: Key | undefined,
  installation: string,
  now: Date,
): RootKeyRow {
  using by = wrappingOf(root)
  return {
    version,
    key_id: root.id,
    base_key: seal(by, base.secret, context('base-key', installation, version)),
    previous:
      previous === undefined
        ? null
        : seal(by, previous.secret, context('previous-root', installation, version)),
    created_at: now,
  }
}

/**
 * What an opened root key leads to; undefined where it was exchanged for another since. Takes ownership of `root`,
 * unless it answers undefined. Throws `Fault('envelope')` for rows that were changed.
 *
 * A vault that was made before root keys could be exchanged has no row: its base key is its first root key.
 */
export function openRoots(rows: readonly RootKeyRow[], root: Key, installation: string): Opened | undefined {
  const present = rows.toSorted((a, b) => a.version - b.version).at(-1)
  if (present === undefined) return { base: Key.of(root.secret), roots: new Map([[1, root]]) }
  if (Buffer.compare(present.key_id, root.id) !== 0) return undefined
  const { version } = present
  using by = wrappingOf(root)
  using bytes = open(by, present.base_key, context('base-key', installation, version))
  const roots = new Map([[version, root]])
  if (present.previous !== null) {
    using before = open(by, present.previous, context('previous-root', installation, version))
    roots.set(version - 1, Key.of(before))
  }
  return { base: Key.of(bytes), roots }
}

/**
 * Keeps the present root key while the transaction lasts, and answers its version: something is to be wrapped by it.
 *
 * INVARIANT: whoever writes a wrapped safe key holds this. Taking a root away waits for them, and looks then.
 */
export async function lockRoot(db: Kysely<Database>, keyring: Keyring): Promise<number> {
  // Twice: the key may be exchanged just before it is held.
  for (let left = 2; left > 0; left -= 1) {
    const version = keyring.rootVersion
    const held = await db
      .selectFrom('root_key')
      .select('version')
      .where('version', '=', version)
      .forKeyShare()
      .executeTakeFirst()
    if (held !== undefined) return version
  }
  throw new Fault('rolled_back_row', 'the present root key is not in the table of root keys')
}

function wrappingOf(root: Key): Key {
  return root.secret.expose((bytes) => new Key(derive(bytes, 'root-keys')))
}

function context(what: 'base-key' | 'previous-root', installation: string, version: number): Context {
  return [what, installation, String(version)]
}
