import type { Kysely } from 'kysely'
import { sql } from 'kysely'
import { seal } from '../../vault/crypto/envelope.ts'
import { Key } from '../../vault/crypto/key.ts'
import type { Database } from '../../vault/db/tables.ts'
import { Keyring } from '../../vault/keys/keyring.ts'
import { openRoots } from '../../vault/keys/root-key.ts'
import { unwrapRoot } from '../../vault/keys/seal-provider.ts'
import { openSafeKey } from '../../vault/keys/secret-store.ts'
import { Secret } from '../../vault/kernel/secret.ts'
import type { SecretPlace, Vault } from '../../vault/open.ts'

/** The place of the nth secret of a safe. */
export function placeOf(safe: string, at: number): SecretPlace {
  return {
    safe,
    account: `acc_${String(at).padStart(8, '0')}`,
    version: 1,
    field: 'password',
    kind: 'password',
  }
}

export const textOf = (at: number): string => `secret number ${at}`

/**
 * Puts many secrets into a safe of a vault with a key file: sealed here as the vault does it, and written in bulk.
 * One by one they would take hours.
 */
export async function putMany(vault: Vault, keyFile: string, safe: string, count: number): Promise<void> {
  const db: Kysely<Database> = vault.database
  using keyring = await keyringOf(db, keyFile)
  const { installation } = keyring
  const row = await db.selectFrom('safe_key').selectAll().where('safe', '=', safe).executeTakeFirstOrThrow()
  using safeKey = openSafeKey(keyring, safe, row, row.envelope)
  const batch = 5_000
  for (let from = 0; from < count; from += batch) {
    const accounts: string[] = []
    const keys: Buffer[] = []
    const payloads: Buffer[] = []
    for (let at = from; at < Math.min(count, from + batch); at += 1) {
      const { account } = placeOf(safe, at)
      using key = Key.random()
      using secret = Secret.fromText(textOf(at))
      accounts.push(account)
      keys.push(
        Buffer.from(
          seal(safeKey, key.secret, ['data-key', installation, safe, account, '1', String(row.version)]),
        ),
      )
      payloads.push(
        Buffer.from(
          seal(key, secret, ['secret', installation, safe, account, '1', 'password', 'password', '']),
        ),
      )
    }
    await sql`insert into secret_key (account, version, safe, safe_key_version, envelope)
      select account, 1, ${safe}, ${row.version}, envelope
      from unnest(${accounts}::text[], ${keys}::bytea[]) as t (account, envelope)`.execute(db)
    await sql`insert into secret_payload (account, version, field, kind, binding, envelope)
      select account, 1, 'password', 'password', '', envelope
      from unnest(${accounts}::text[], ${payloads}::bytea[]) as t (account, envelope)`.execute(db)
  }
}

async function keyringOf(db: Kysely<Database>, path: string): Promise<Keyring> {
  const { id } = await db.selectFrom('installation').select('id').executeTakeFirstOrThrow()
  const wraps = await db.selectFrom('seal_wrap').selectAll().execute()
  const roots = await db.selectFrom('root_key').selectAll().execute()
  const opened = await unwrapRoot(wraps, { kind: 'key-file', path }, id)
  const all = opened.ok ? openRoots(roots, opened.value.root, id) : undefined
  if (all === undefined) throw new Error('the key file does not open this vault')
  return new Keyring(all.base, all.roots, id)
}
