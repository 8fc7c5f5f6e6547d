import type { Actor } from '../audit/entry.ts'
import { notify } from '../notifications/notify.ts'
import type { AccountId, UserId } from '../kernel/id.ts'
import { checked, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'

type Wait = Row<'lease_wait'>
type Who = { readonly actor: Actor; readonly source?: string }

/** Milliseconds for which an account is kept for whose turn it is. */
export const keptFor = 5 * 60_000

const vault = { actor: { kind: 'vault' } } as const

/** Has a wait come to its end by itself? */
export function isOver(wait: Wait, now: Date): boolean {
  return wait.until <= now || (wait.kept_until !== null && wait.kept_until <= now)
}

/**
 * Who waits for an account, the first at the beginning. Waits whose time is up are ended on the way. The caller holds
 * the account's row lock.
 */
export async function waitsFor(tx: Tx, account: AccountId): Promise<readonly Wait[]> {
  const rows = checked(
    tx.guard,
    'lease_wait',
    await tx.db
      .selectFrom('lease_wait')
      .selectAll()
      .where('account_id', '=', account)
      .where('ended_at', 'is', null)
      .orderBy('place')
      .forUpdate()
      .execute(),
  )
  for (const row of rows) if (isOver(row, tx.now)) await passOver(tx, row)
  return rows.filter((row) => !isOver(row, tx.now))
}

async function passOver(tx: Tx, wait: Wait): Promise<void> {
  const isTurn = wait.kept_until !== null && wait.kept_until <= tx.now
  const { userName, accountName } = await endWait(
    tx,
    wait,
    isTurn ? 'it was not taken in time' : 'time is up',
    vault,
  )
  if (isTurn)
    await notify(tx, { kind: 'lease.passed-over', user: userName, account: accountName }, [wait.user_id])
}

/** Do two who want an account want what one of them alone can have? */
function excludes(wait: Wait, wantsAll: boolean): boolean {
  return wait.exclusive || wantsAll
}

/** Who of those that wait comes before a user who wants the account, so that the two cannot share it; or undefined. */
export function waitsBefore(waits: readonly Wait[], user: UserId, wantsAll: boolean): Wait | undefined {
  const place = waits.find((wait) => wait.user_id === user)?.place ?? Number.POSITIVE_INFINITY
  return waits.find((wait) => wait.user_id !== user && wait.place < place && excludes(wait, wantsAll))
}

/** Ends a wait that was read for a change. Answers the names of whose it was and for what. */
export async function endWait(tx: Tx, wait: Wait, why: string, who: Who) {
  await updateGuarded(tx, 'lease_wait', wait, { ended_at: tx.now, ended_why: why })
  const ref = await waitRef(tx, wait)
  await tx.audit({ kind: 'lease.wait-ended', why, ...ref, ...who })
  return ref
}

/** Ends whatever a user waits for: one account, or all. */
export async function endWaitsOf(
  tx: Tx,
  user: UserId,
  why: string,
  who: Who,
  account?: AccountId,
): Promise<void> {
  let query = tx.db
    .selectFrom('lease_wait')
    .selectAll()
    .where('user_id', '=', user)
    .where('ended_at', 'is', null)
    .orderBy('id')
    .forUpdate()
  if (account !== undefined) query = query.where('account_id', '=', account)
  for (const wait of checked(tx.guard, 'lease_wait', await query.execute())) await endWait(tx, wait, why, who)
}

/** How the audit log names a wait. */
export async function waitRef(tx: Tx, wait: Wait) {
  const names = await tx.db
    .selectFrom('lease_wait')
    .innerJoin('app_user', 'app_user.id', 'lease_wait.user_id')
    .innerJoin('account', 'account.id', 'lease_wait.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select(['app_user.name as user', 'account.login', 'target.name as target'])
    .where('lease_wait.id', '=', wait.id)
    .executeTakeFirstOrThrow()
  return {
    wait: wait.id,
    user: wait.user_id,
    userName: names.user,
    account: wait.account_id,
    accountName: `${names.target}/${names.login}`,
  }
}
