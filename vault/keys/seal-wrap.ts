import type { Selectable } from 'kysely'
import { type Context, namesKey, open, seal } from '../crypto/envelope.ts'
import { Key } from '../crypto/key.ts'
import { derive } from '../crypto/purpose.ts'
import { BoxKeyPair, sealToBox } from '../crypto/sealed-box.ts'
import type { SealKind } from '../contract.ts'
import type { KeyTables } from '../db/key-tables.ts'
import { Fault } from '../kernel/fault.ts'
import { newId } from '../kernel/id.ts'

/** The root key, wrapped for one way to unseal. */
export type Wrap = Selectable<KeyTables['seal_wrap']>

/** Wraps the root key by the key that a provider gives. The caller still owns both. */
export function makeWrap(
  kind: SealKind,
  parameters: string,
  key: Key,
  root: { readonly key: Key; readonly version: number },
  installation: string,
  now: Date,
): Wrap {
  const made = { id: newId('wrp', now.getTime()), kind, parameters, created_at: now }
  using pair = boxOf(key)
  return {
    ...made,
    envelope: seal(key, root.key.secret, context(made, installation)),
    box_key: pair.publicKey,
    key_box: null,
    root_version: root.version,
  }
}

/**
 * Wraps another root key for the same way to unseal, without its key: that is why a wrap has a public one. Undefined
 * for wraps that were made before they had.
 *
 * SECURITY: only for rows whose MAC was checked (`seal-set.ts`): a public key that somebody exchanged would be given
 * the root key.
 */
export function rewrap(
  wrap: Wrap,
  root: { readonly key: Key; readonly version: number },
  installation: string,
): Wrap | undefined {
  if (wrap.box_key === null) return undefined
  using between = Key.random()
  return {
    ...wrap,
    envelope: seal(between, root.key.secret, context(wrap, installation)),
    key_box: sealToBox(wrap.box_key, between.secret),
    root_version: root.version,
  }
}

/**
 * Opens a wrap by the key that its provider gave; undefined when it was made for another key: not a fault, the
 * person gave the wrong one. Throws `Fault('envelope')` for a damaged wrap.
 */
export function openWrap(wrap: Wrap, key: Key, installation: string): Key | undefined {
  if (wrap.key_box === null) return openBy(wrap, key, installation)
  using pair = boxOf(key)
  const opened = pair.open(wrap.key_box)
  if (!opened.ok) return undefined
  using bytes = opened.value
  if (bytes.expose((inner) => inner.length) !== 32) throw new Fault('envelope', 'a wrapped key has 32 bytes')
  using between = Key.of(bytes)
  return openBy(wrap, between, installation)
}

function openBy(wrap: Wrap, key: Key, installation: string): Key | undefined {
  if (!namesKey(key, wrap.envelope)) return undefined
  using bytes = open(key, wrap.envelope, context(wrap, installation))
  return Key.of(bytes)
}

/** The public half of a wrap that has none yet: its provider has just given its key. */
export function boxKeyOf(key: Key): Uint8Array {
  using pair = boxOf(key)
  return pair.publicKey
}

function boxOf(key: Key): BoxKeyPair {
  const seed = key.secret.expose((bytes) => derive(bytes, 'seal-box'))
  try {
    return new BoxKeyPair(seed)
  } finally {
    seed.fill(0)
  }
}

function context(of: Pick<Wrap, 'id' | 'kind' | 'parameters'>, installation: string): Context {
  return ['root-key', installation, of.id, of.kind, of.parameters]
}
