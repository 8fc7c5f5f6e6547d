import type { SafeId } from '../kernel/id.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import type { About } from './about.ts'
import { approversOf, notify, safeIn } from './notify.ts'

/**
 * Has the approvers of a safe written to about one of its sessions, where the safe wants that. A sealed vault, which
 * cannot read who they are, lets the session go its way: it is in the audit log.
 */
export async function tellOfSession(
  tx: Tx,
  world: World,
  id: SafeId,
  about: About & { readonly kind: 'session.started' | 'session.ended' },
): Promise<void> {
  if (world.vault.isSealed) return
  const { wants } = await tx.db
    .selectFrom('safe')
    .select('session_notices as wants')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  if (wants !== true) return
  await notify(tx, about, async () => approversOf(tx, await safeIn(tx, id)))
}
