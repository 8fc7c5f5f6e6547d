import { standingAccounts } from '../access/standing.ts'
import { readSubject } from '../access/subject.ts'
import { breakGlassOf } from '../breakglass/view.ts'
import type { AccountId, UserId } from '../kernel/id.ts'
import { whoNeverConnects } from '../policy/roles.ts'
import { checked, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { refuseCompany, representationOf } from '../vendors/standing.ts'

/** The grants that let a user use an account now, locked so that nobody takes one back meanwhile. */
export async function grantsNow(
  tx: Tx,
  user: UserId,
  account: AccountId,
): Promise<readonly Row<'access_grant'>[]> {
  return checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', user)
      .where('account_id', '=', account)
      .where('rule', 'is', null)
      .where('revoked_at', 'is', null)
      .where('not_before', '<=', tx.now)
      .where('not_after', '>', tx.now)
      .forShare()
      .execute(),
  )
}

/** Did somebody break the glass for what these grants are of? */
export async function isGlassBroken(tx: Tx, grants: readonly Row<'access_grant'>[]): Promise<boolean> {
  for (const grant of grants) if ((await breakGlassOf(tx.db, tx.guard, grant)) !== undefined) return true
  return false
}

/** May somebody else than the one who asks use an account, as far as can be told before they come themselves? */
export async function isLetIn(tx: Tx, user: Row<'app_user'>, account: AccountId): Promise<boolean> {
  if (user.state !== 'active' || whoNeverConnects(user.roles) !== undefined) return false
  const one = await representationOf(tx.db, tx.guard, user)
  if (refuseCompany(one, tx.now) !== undefined) return false
  if ((await grantsNow(tx, user.id, account)).length > 0) return true
  const subject = await readSubject(tx.db, tx.guard, user)
  return (await standingAccounts(tx.db, tx.guard, subject, [account])).length > 0
}
