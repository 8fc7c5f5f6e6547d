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

/** Binds the target's own accounts again. Accounts of other targets that are bound here need an act of their own. */
export async function bindAccounts(tx: Tx, call: Call, target: Row<'target'>): Promise<void> {
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
    await bindAccount(tx, call, account, `${target.name}/${account.login}`, target)
}
