import type { Role } from '../contract.ts'
import { Fault } from '../kernel/fault.ts'
import type { NotificationId, SafeId, UserId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import { findUser } from '../identity/user.ts'
import { mailOf } from '../identity/mail.ts'
import { mayHold } from '../policy/roles.ts'
import { checked, checkedOne, insertGuarded, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { type About, concernsSecurity } from './about.ts'

/** Where a notification goes that does not go to the user's present address. */
type Elsewhere = { readonly address: string }

/**
 * Has people written to about something, and the webhook told, once the transaction has committed. People without a
 * mail address, and those who want to hear of security alone, are passed over.
 *
 * INVARIANT: what tells people of an act never stops it. A forged row that is in the way is an alarm, and the others are
 * told: nobody keeps a session from being terminated by spoiling an address.
 */
export async function notify(
  tx: Tx,
  about: About,
  users: readonly UserId[] | (() => Promise<readonly UserId[]>),
  elsewhere?: Elsewhere,
): Promise<void> {
  const found = await orAlarm(tx, async () => (typeof users === 'function' ? users() : users))
  for (const user of new Set(found))
    await orAlarm(tx, async () => {
      const mail = await mailOf(tx.db, tx.guard, user)
      const wants = mail !== undefined && (mail.notices === 'all' || concernsSecurity(about.kind))
      if (wants || elsewhere !== undefined) await write(tx, about, 'mail', user, elsewhere?.address ?? null)
    })
  await orAlarm(tx, async () => {
    if ((await webhookOf(tx)) !== undefined) await write(tx, about, 'webhook', null)
  })
}

/** Does something with rows; one that was not written by the vault is an alarm, and undefined. */
export async function orAlarm<T>(tx: Tx, act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof Fault) || !['forged_row', 'rolled_back_row'].includes(error.code)) throw error
    const { code, message: finding } = error
    await tx.audit({ kind: 'vault.fault', code, finding, actor: { kind: 'vault' } })
    return undefined
  }
}

/** Has one user written to, or the webhook told, whatever they want to hear of. */
export async function write(
  tx: Tx,
  about: About,
  channel: Row<'notification'>['channel'],
  user: UserId | null,
  address: string | null = null,
): Promise<NotificationId> {
  const row = await insertGuarded(tx, 'notification', {
    id: newId('ntf', tx.now.getTime()),
    kind: about.kind,
    channel,
    user_id: user,
    address,
    about: JSON.stringify(about),
    created_at: tx.now,
    state: 'waiting',
    attempts: 0,
    next_at: tx.now,
    ended_at: null,
    error: null,
    opened_at: null,
  })
  return row.id
}

export async function webhookOf(tx: Pick<Tx, 'guard'> & { readonly db: Tx['db'] }) {
  const row = await tx.db.selectFrom('webhook').selectAll().where('id', '=', 'webhook').executeTakeFirst()
  return checkedOne(tx.guard, 'webhook', row)
}

/**
 * Who may approve in a safe and can be written to: its members with `approve`, and the administrators too where
 * those are fewer than must approve.
 */
export async function approversOf(
  tx: Tx,
  safe: Row<'safe'>,
  options: { readonly but?: UserId; readonly needed?: number } = {},
): Promise<readonly UserId[]> {
  const { but, needed = safe.approvals ?? 1 } = options
  const members = checked(
    tx.guard,
    'safe_member',
    await tx.db.selectFrom('safe_member').selectAll().where('safe_id', '=', safe.id).execute(),
  )
  const found: UserId[] = []
  for (const { user_id, permissions } of members) {
    if (!permissions.includes('approve') || user_id === but) continue
    const user = await findUser(tx.db, tx.guard, user_id)
    if (user?.state === 'active' && mayHold(user.roles, 'approve')) found.push(user.id)
  }
  if (found.length >= needed) return found
  return [...new Set([...found, ...(await adminsOf(tx)).filter((id) => id !== but)])]
}

/** The administrators who can sign in. */
export function adminsOf(tx: Tx): Promise<readonly UserId[]> {
  return activeWith(tx, ['admin'])
}

/** The users with one of these roles who can sign in. */
export async function activeWith(tx: Tx, roles: readonly Role[]): Promise<readonly UserId[]> {
  const users = checked(
    tx.guard,
    'app_user',
    await tx.db.selectFrom('app_user').selectAll().where('state', '=', 'active').execute(),
  )
  return users.filter((user) => roles.some((role) => user.roles.includes(role))).map(({ id }) => id)
}

/** A safe, as this transaction sees it. */
export async function safeIn(tx: Tx, id: SafeId): Promise<Row<'safe'>> {
  const safe = checkedOne(
    tx.guard,
    'safe',
    await tx.db.selectFrom('safe').selectAll().where('id', '=', id).executeTakeFirst(),
  )
  if (safe === undefined) throw new TypeError('a safe that is referred to exists')
  return safe
}
