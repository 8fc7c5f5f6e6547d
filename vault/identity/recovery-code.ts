import { createHmac, randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import { sealToBox } from '../crypto/sealed-box.ts'
import type { Database } from '../db/tables.ts'
import { newId, type UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { notify } from '../notifications/notify.ts'
import { checked, checkedOne, deleteGuarded, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, userOf, type World } from '../world.ts'
import { takeFreshCode } from './fresh-code.ts'
import { findUser, showUser } from './user.ts'

/** How many codes are made at once. */
export const codesAtOnce = 10

// Crockford's: no letter passes for another, nor for a digit. Ten of them are 50 bits.
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** Makes a code: `xxxxx-xxxxx`. */
function makeCode(): string {
  const signs = [...randomBytes(10)].map((byte) => alphabet[byte & 31]).join('')
  return `${signs.slice(0, 5)}-${signs.slice(5)}`
}

/** A code as it was made, however it was typed; undefined for what is none. */
function spelled(text: string): string | undefined {
  const signs = text.toLowerCase().replaceAll(/[\s-]/g, '')
  return /^[0-9a-hjkmnp-tv-z]{10}$/.test(signs) ? signs : undefined
}

function hashOf(world: World, user: UserId, signs: string): Buffer {
  return createHmac('sha256', world.vault.purposeKey('recovery-code')).update(`${user}\n${signs}`).digest()
}

/** The recovery codes of a user, used ones too. */
async function codesOf(tx: Tx, user: UserId): Promise<readonly Row<'recovery_code'>[]> {
  return checked(
    tx.guard,
    'recovery_code',
    await tx.db.selectFrom('recovery_code').selectAll().where('user_id', '=', user).forUpdate().execute(),
  )
}

/** How many codes each user has left: for showing, it decides nothing. */
export async function countCodes(db: Kysely<Database>, user?: UserId): Promise<ReadonlyMap<UserId, number>> {
  let query = db
    .selectFrom('recovery_code')
    .select(['user_id', (eb) => eb.fn.countAll<number>().as('left')])
    .where('used_at', 'is', null)
    .groupBy('user_id')
  if (user !== undefined) query = query.where('user_id', '=', user)
  return new Map((await query.execute()).map((row) => [row.user_id, row.left]))
}

/** Takes all codes of a user away: what they stood in for is gone. */
export async function dropCodes(tx: Tx, user: UserId): Promise<void> {
  for (const row of await codesOf(tx, user)) await deleteGuarded(tx, 'recovery_code', row)
}

/** Makes a user's codes anew, sealed to whoever asked: the api, which carries the answer, does not learn them. */
export async function makeCodes(tx: Tx, world: World, user: UserId, boxKey: Uint8Array): Promise<string> {
  await dropCodes(tx, user)
  const codes = Array.from({ length: codesAtOnce }, makeCode)
  for (const code of codes)
    await insertGuarded(tx, 'recovery_code', {
      id: newId('rcc', tx.now.getTime()),
      user_id: user,
      hash: hashOf(world, user, code.replace('-', '')),
      created_at: tx.now,
      used_at: null,
    })
  using text = Secret.fromText(JSON.stringify(codes))
  return Buffer.from(sealToBox(boxKey, text)).toString('base64')
}

/** The row of a code of theirs that was not used. */
async function openCode(
  tx: Tx,
  world: World,
  user: UserId,
  text: string,
): Promise<Row<'recovery_code'> | undefined> {
  const signs = spelled(text)
  if (signs === undefined) return undefined
  const row = checkedOne(
    tx.guard,
    'recovery_code',
    await tx.db
      .selectFrom('recovery_code')
      .selectAll()
      .where('hash', '=', hashOf(world, user, signs))
      .where('user_id', '=', user)
      .forUpdate()
      .executeTakeFirst(),
  )
  return row === undefined || row.used_at !== null ? undefined : row
}

/** Is this a recovery code that they have left? It stays theirs. */
export async function findRecoveryCode(tx: Tx, world: World, user: UserId, text: string): Promise<boolean> {
  return (await openCode(tx, world, user, text)) !== undefined
}

/**
 * Uses a recovery code of a user up, whose row the transaction has locked. Answers how many are left, or undefined
 * where it is none of theirs or was used.
 *
 * SECURITY: called at sign-ins alone. What asks for a fresh code asks for the authenticator: whoever found the sheet of
 * codes approves and reveals nothing.
 */
export async function takeRecoveryCode(
  tx: Tx,
  world: World,
  user: Row<'app_user'>,
  text: string,
  via: string,
  source: string,
): Promise<number | undefined> {
  const row = await openCode(tx, world, user.id, text)
  if (row === undefined) return undefined
  await updateGuarded(tx, 'recovery_code', row, { used_at: tx.now })
  const left = (await countCodes(tx.db, user.id)).get(user.id) ?? 0
  await tx.db.updateTable('app_user').set({ last_login_at: tx.now }).where('id', '=', user.id).execute()
  await tx.audit({
    kind: 'user.code-used',
    user: user.id,
    name: user.name,
    via,
    left,
    actor: { kind: 'user', id: user.id, name: user.name },
    source,
  })
  await notify(tx, { kind: 'user.code-used', user: user.name, left }, [user.id])
  return left
}

export const userRenewCodes: Handler<'user.renewCodes'> = async (call, input) => {
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  return transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, userOf(call).id, 'update')
    if (user === undefined) return refuse('unauthenticated', 'sign in again')
    const sealedRecoveryCodes = await makeCodes(tx, call.world, user.id, boxKey)
    await tx.audit({
      kind: 'user.codes-renewed',
      user: user.id,
      name: user.name,
      count: codesAtOnce,
      ...by(call),
    })
    await notify(tx, { kind: 'user.codes-renewed', user: user.name }, [user.id])
    return done({ sealedRecoveryCodes, user: await showUser(tx.db, tx.guard, user) })
  })
}
