import { checked, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call } from '../world.ts'
import { accountNames } from './names.ts'
import { representativesOf } from './people.ts'

/** Ends grants and running sessions of a company's people with its contract. */
export async function shortenTo(tx: Tx, call: Call, company: Row<'company'>): Promise<void> {
  const users = await representativesOf(tx, company)
  if (users.length === 0) return
  const ids = users.map(({ id }) => id)
  const end = company.contract_ends_at
  const grants = checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', 'in', ids)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', end)
      .orderBy('id')
      .forUpdate()
      .execute(),
  )
  const accounts = await accountNames(
    tx.db,
    grants.map((grant) => grant.account_id),
  )
  for (const grant of grants) {
    // One that would begin only then never does.
    const isVoid = grant.not_before >= end
    await updateGuarded(tx, 'access_grant', grant, isVoid ? { revoked_at: tx.now } : { not_after: end })
    const ref = {
      grant: grant.id,
      user: grant.user_id,
      userName: users.find(({ id }) => id === grant.user_id)?.name ?? '',
      account: grant.account_id,
      accountName: accounts.get(grant.account_id) ?? '',
      ...by(call),
    }
    await tx.audit(
      isVoid
        ? { kind: 'grant.revoked', ...ref }
        : { kind: 'grant.shortened', notAfter: end.toISOString(), ...ref },
    )
  }
  await tx.db
    .updateTable('session')
    .set({ ends_at: end })
    .where('user_id', 'in', ids)
    .where('state', '<>', 'ended')
    .where('ends_at', '>', end)
    .execute()
  tx.afterCommit(() => {
    const { live } = call.world
    for (const session of live.where((one) => ids.includes(one.user)))
      session.endsAt = Math.min(session.endsAt, end.getTime())
  })
}
