import type { Kysely } from 'kysely'
import { type SigningKey, signingKeyOf } from '../crypto/signing.ts'
import type { Database } from '../db/tables.ts'
import { takeCodeOfPerson, takeFreshCode } from '../identity/fresh-code.ts'
import { type KitId, newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { setText } from '../custody/view.ts'
import { faultOfSet, makeSet, proveSet } from '../keys/custodians.ts'
import { shareText } from '../keys/share.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf, type World } from '../world.ts'
import { kitBox, signedBy } from './kit-file.ts'
import { showKit } from './view.ts'

/** The key that signs kits. */
export function kitSigningKey(world: World): SigningKey {
  return signingKeyOf(world.vault.purposeKey('kit-sign'))
}

/** The kit of a safe that is in force, or undefined. */
export async function kitOf(
  db: Kysely<Database>,
  checker: Checker,
  safe: Row<'safe'>['id'],
): Promise<Row<'emergency_kit'> | undefined> {
  const row = await db
    .selectFrom('emergency_kit')
    .selectAll()
    .where('safe_id', '=', safe)
    .where('confirmed_at', 'is not', null)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return checkedOne(checker, 'emergency_kit', row)
}

/** Reads a kit for changing it. */
export async function lockKit(tx: Tx, id: KitId): Promise<Row<'emergency_kit'> | undefined> {
  const row = await tx.db
    .selectFrom('emergency_kit')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return checkedOne(tx.guard, 'emergency_kit', row)
}

/**
 * Makes the shares of a safe's emergency kit. The vault keeps the public key of what they give and nothing else, so
 * that it can write the kit anew whenever a secret changes, and never open one.
 *
 * SECURITY: whoever runs this sees the shares go by. Nothing is sealed to them before an administrator, who is
 * somebody else, has confirmed that the custodians have them.
 */
export const kitPrepare: Handler<'kit.prepare'> = async (
  call,
  { safe: reference, custodians, threshold },
) => {
  const fault = faultOfSet(custodians, threshold)
  if (fault !== undefined) return fault
  const made = await makeSet(custodians, threshold)
  using secret = made.secret
  try {
    await proveSet(made)
    using box = kitBox(secret)
    const [set] = made.shares
    const prepared = await transact(call.world, async (tx) => {
      const safe = await findSafe(tx.db, tx.guard, reference, 'update')
      if (safe === undefined) return notFound('safe', reference)
      await endWaiting(tx, safe.id, nameOf(call))
      const row = await insertGuarded(tx, 'emergency_kit', {
        id: newId('kit', tx.now.getTime()),
        safe_id: safe.id,
        custodians: made.parameters,
        box_key: Buffer.from(box.publicKey),
        prepared_by: nameOf(call),
        prepared_at: tx.now,
        ...{ confirmed_by: null, confirmed_at: null, ended_by: null, ended_at: null },
        ...{ taken_by: null, taken_at: null, drilled_at: null },
      })
      await tx.audit({
        kind: 'kit.prepared',
        kit: row.id,
        set: setText(set?.set ?? ''),
        threshold,
        names: custodians,
        safe: safe.id,
        safeName: safe.name,
        ...by(call),
      })
      return done(row.id)
    })
    if (!prepared.ok) return prepared
    return done({
      kit: prepared.value,
      set: setText(set?.set ?? ''),
      threshold,
      signedBy: signedBy(kitSigningKey(call.world).publicKey),
      shares: made.shares.map((share) => ({ index: share.index, name: share.name, text: shareText(share) })),
    })
  } finally {
    for (const share of made.shares) share.value[Symbol.dispose]()
  }
}

/** Who prepares another kit of a safe before the last was confirmed has given up that one. */
async function endWaiting(tx: Tx, safe: Row<'safe'>['id'], name: string): Promise<void> {
  const row = await tx.db
    .selectFrom('emergency_kit')
    .selectAll()
    .where('safe_id', '=', safe)
    .where('confirmed_at', 'is', null)
    .where('ended_at', 'is', null)
    .forUpdate()
    .executeTakeFirst()
  const waiting = checkedOne(tx.guard, 'emergency_kit', row)
  if (waiting !== undefined)
    await updateGuarded(tx, 'emergency_kit', waiting, { ended_by: name, ended_at: tx.now })
}

/** Puts a kit in force, in place of the one before: its custodians have their shares. */
export const kitConfirm: Handler<'kit.confirm'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const found = await lockKit(tx, input.kit)
    if (found === undefined) return notFound('kit', input.kit)
    if (found.ended_at !== null) return overRefusal
    if (found.confirmed_at !== null) return refuse('conflict', 'this emergency kit is in force already')
    const before = await kitOf(tx.db, tx.guard, found.safe_id)
    const name = nameOf(call)
    if (before !== undefined) {
      const locked = await lockKit(tx, before.id)
      if (locked !== undefined && locked.ended_at === null)
        await updateGuarded(tx, 'emergency_kit', locked, { ended_by: name, ended_at: tx.now })
    }
    const row = await updateGuarded(tx, 'emergency_kit', found, { confirmed_by: name, confirmed_at: tx.now })
    const view = await showKit(tx, call.world, row)
    await tx.audit({
      kind: 'kit.confirmed',
      kit: row.id,
      set: view.set,
      replaced: before?.id ?? null,
      safe: row.safe_id,
      safeName: view.safe,
      ...by(call),
    })
    return done(view)
  })

const overRefusal: Outcome<never> = refuse(
  'conflict',
  'this emergency kit is over: another took its place',
  'tagout kit list',
)

/** Ends a kit: nothing is sealed to its custodians any more. What was taken away before still opens. */
export const kitEnd: Handler<'kit.end'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const found = await lockKit(tx, input.kit)
    if (found === undefined) return notFound('kit', input.kit)
    if (found.ended_at !== null) return overRefusal
    const row = await updateGuarded(tx, 'emergency_kit', found, { ended_by: nameOf(call), ended_at: tx.now })
    const view = await showKit(tx, call.world, row)
    await tx.audit({
      kind: 'kit.ended',
      kit: row.id,
      set: view.set,
      reason: input.reason,
      safe: row.safe_id,
      safeName: view.safe,
      ...by(call),
    })
    return done(view)
  })
