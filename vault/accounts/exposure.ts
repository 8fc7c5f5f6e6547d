import type { AccountId, SessionId, UserId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import type { Tx } from '../transaction.ts'

/** Writes down that somebody has seen a version of a secret, or could have. `session`: into whose desktop it was typed. */
export async function noteExposure(
  tx: Tx,
  user: UserId,
  account: AccountId,
  version: number,
  reason: string,
  session: SessionId | null = null,
): Promise<void> {
  await tx.db
    .insertInto('exposure')
    .values({
      id: newId('exp', tx.now.getTime()),
      user_id: user,
      account_id: account,
      version,
      at: tx.now,
      reason,
      session_id: session,
    })
    .execute()
}
