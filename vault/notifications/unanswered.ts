import { refOf } from '../checkout/request.ts'
import { findUser } from '../identity/user.ts'
import { checkedOne, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { adminsOf, approversOf, notify, safeIn } from './notify.ts'

/** Reminds people of requests that nobody answered in the time of their safe, once each. */
export async function remindOfRequests(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const now = clock()
  const open = await database
    .selectFrom('access_request')
    .innerJoin('account', 'account.id', 'access_request.account_id')
    .innerJoin('safe', 'safe.id', 'account.safe_id')
    .select(['access_request.id', 'access_request.created_at', 'safe.unanswered_minutes as minutes'])
    .where('access_request.state', '=', 'open')
    .where('access_request.expires_at', '>', now)
    .where('reminded_at', 'is', null)
    .where('safe.unanswered_minutes', 'is not', null)
    .limit(1_000)
    .execute()
  for (const { id, created_at, minutes } of open) {
    if (minutes === null || created_at.getTime() + minutes * 60_000 > now.getTime()) continue
    await world.vault.inTransaction(async (tx) => {
      const row = checkedOne(
        tx.guard,
        'access_request',
        await tx.db
          .selectFrom('access_request')
          .selectAll()
          .where('id', '=', id)
          .where('state', '=', 'open')
          .where('reminded_at', 'is', null)
          .forUpdate()
          .executeTakeFirst(),
      )
      if (row !== undefined) await remind(tx, row)
    })
  }
}

async function remind(tx: Tx, row: Row<'access_request'>): Promise<void> {
  const ref = await refOf(tx, row)
  const account = await tx.db
    .selectFrom('account')
    .select('safe_id')
    .where('id', '=', row.account_id)
    .executeTakeFirstOrThrow()
  const safe = await safeIn(tx, account.safe_id)
  const minutes = safe.unanswered_minutes
  // The number that was looked for is the vault's own only here.
  if (minutes === null || row.created_at.getTime() + minutes * 60_000 > tx.now.getTime()) return
  await tx.db.updateTable('access_request').set({ reminded_at: tx.now }).where('id', '=', row.id).execute()
  await tx.audit({ kind: 'request.unanswered', minutes, ...ref, actor: { kind: 'vault' } })
  await notify(
    tx,
    {
      kind: 'request.unanswered',
      request: row.id,
      user: ref.userName,
      account: ref.accountName,
      safe: safe.name,
      minutes,
      expiresAt: row.expires_at.toISOString(),
    },
    async () => [...(await approversOf(tx, safe, { but: row.user_id })), ...(await higher(tx, safe))],
  )
}

/** Who is told beside the approvers: whom the safe names, if they can act, and the administrators otherwise. */
async function higher(tx: Tx, safe: Row<'safe'>) {
  const named = safe.escalate_to === null ? undefined : await findUser(tx.db, tx.guard, safe.escalate_to)
  return named?.state === 'active' ? [named.id] : adminsOf(tx)
}
