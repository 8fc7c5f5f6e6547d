import { findUser } from '../identity/user.ts'
import { checked, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from './standing.ts'

/** The people of a company, their rows locked unless they are only read. */
export async function representativesOf(
  tx: Tx,
  company: Row<'company'>,
  lock: 'read' | 'update' = 'update',
): Promise<readonly Row<'app_user'>[]> {
  const members = checked(
    tx.guard,
    'representative',
    await tx.db.selectFrom('representative').selectAll().where('company_id', '=', company.id).execute(),
  )
  if (members.length === 0) return []
  const query = tx.db
    .selectFrom('app_user')
    .selectAll()
    .where(
      'id',
      'in',
      members.map((one) => one.user_id),
    )
    .orderBy('id')
  const users = await (lock === 'read' ? query : query.forNoKeyUpdate()).execute()
  return checked(tx.guard, 'app_user', users)
}

/**
 * Reads a user and locks their row. The row of their company is locked before: in the order in which a company is taken off,
 * so that neither waits for the other.
 */
export async function lockPerson(
  tx: Tx,
  reference: string,
  lock: 'share' | 'update' = 'update',
): Promise<Row<'app_user'> | undefined> {
  const user = await findUser(tx.db, tx.guard, reference)
  if (user === undefined) return undefined
  await representationOf(tx.db, tx.guard, user, 'share')
  return findUser(tx.db, tx.guard, user.id, lock)
}
