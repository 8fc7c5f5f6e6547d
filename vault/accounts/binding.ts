import { newId } from '../kernel/id.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { bindingDigest } from '../targets/target.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, nameOf } from '../world.ts'

/** Binds an account to the present identity of a target, in place of what it was bound to there. */
export async function bindAccount(
  tx: Tx,
  call: Call,
  account: Row<'account'>,
  accountName: string,
  target: Row<'target'>,
): Promise<void> {
  const digest = bindingDigest(target, account.login)
  const before = checkedOne(
    tx.guard,
    'binding',
    await tx.db
      .selectFrom('binding')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('target_id', '=', target.id)
      .forUpdate()
      .executeTakeFirst(),
  )
  const bound = { digest, bound_by: nameOf(call), bound_at: tx.now }
  if (before === undefined)
    await insertGuarded(tx, 'binding', {
      id: newId('bnd', tx.now.getTime()),
      account_id: account.id,
      target_id: target.id,
      ...bound,
    })
  else await updateGuarded(tx, 'binding', before, bound)
  await tx.audit({
    kind: 'account.bound',
    account: account.id,
    accountName,
    target: target.id,
    targetName: target.name,
    ...by(call),
  })
}

/** Is the account bound to this target as it is now? */
export async function isBoundTo(tx: Tx, account: Row<'account'>, target: Row<'target'>): Promise<boolean> {
  const binding = checkedOne(
    tx.guard,
    'binding',
    await tx.db
      .selectFrom('binding')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('target_id', '=', target.id)
      .executeTakeFirst(),
  )
  return binding !== undefined && bindingDigest(target, account.login).equals(binding.digest)
}

/**
 * Has the target's own accounts follow it from what it was to what it is. Accounts of other targets that are bound
 * here need an act of their own.
 *
 * SECURITY: only those that were bound to it as it was: an account whose target has moved since does not follow to
 * the new address, or else who may manage, and not reveal, would have its secret sent to a machine of theirs.
 */
export async function rebindAccounts(
  tx: Tx,
  call: Call,
  before: Row<'target'>,
  target: Row<'target'>,
): Promise<void> {
  const accounts = checked(
    tx.guard,
    'account',
    await tx.db
      .selectFrom('account')
      .selectAll()
      .where('target_id', '=', target.id)
      .where('removed_at', 'is', null)
      .forUpdate()
      .execute(),
  )
  for (const account of accounts)
    if (await isBoundTo(tx, account, before))
      await bindAccount(tx, call, account, `${target.name}/${account.login}`, target)
}
