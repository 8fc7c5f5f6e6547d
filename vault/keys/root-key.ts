import type { Selectable } from 'kysely'
import { type Context, open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { derive } from '../crypto/purpose.ts'
import type { KeyTables } from '../db/key-tables.ts'

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

function wrappingOf(root: Key): Key {
  return root.secret.expose((bytes) => new Key(derive(bytes, 'root-keys')))
}

function context(what: 'base-key' | 'previous-root', installation: string, version: number): Context {
  return [what, installation, String(version)]
}
