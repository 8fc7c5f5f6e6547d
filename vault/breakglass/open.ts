import { currentCredential, findAccount } from '../accounts/account.ts'
import { elevationOf } from '../accounts/elevation.ts'
import { noteExposure } from '../accounts/exposure.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { findUser } from '../identity/user.ts'
import { newId, type UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { adminsOf, notify, safeIn } from '../notifications/notify.ts'
import { doubtOf } from '../rotation/interlock.ts'
import { permissionsIn } from '../relations.ts'
import { checked, insertGuarded, type Row } from '../rows.ts'
import { needSessions } from '../targets/no-session.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, userOf } from '../world.ts'
import { glassActions } from './actions.ts'
import { grantedBy, isRunning, viewBreakGlass } from './view.ts'

/**
 * Lets a member of a safe use one of its accounts at once, for a short time, on nobody's word but their own.
 *
 * INVARIANT: what skips approval is nothing else: it takes a fresh code and a reason, the session is recorded as any
 * other, people are alarmed and somebody else has to review it. All of it commits together, and waits for no mail.
 */
export const breakglassOpen: Handler<'breakglass.open'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = await findUser(tx.db, tx.guard, asking.id, 'update')
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    // Asked again of what the transaction sees: the rules were asked before it began.
    const may = await permissionsIn(tx, call)
    if (user?.state !== 'active' || account === undefined || !may(account.safe_id, 'break-glass'))
      return refuse('forbidden', 'there is no such account, or you may not break the glass for it')
    const sessions = needSessions(account.target)
    if (!sessions.ok) return sessions
    const safe = await safeIn(tx, account.safe_id)
    if (safe.break_glass_minutes === null)
      return refuse(
        'conflict',
        `break-glass is not set up for the safe ${safe.name}`,
        'request access; an administrator sets it up with tagout safe break-glass',
      )
    const earlier = checked(
      tx.guard,
      'break_glass',
      await tx.db
        .selectFrom('break_glass')
        .selectAll()
        .where('user_id', '=', user.id)
        .where('account_id', '=', account.id)
        .where('ends_at', '>', tx.now)
        .execute(),
    )
    for (const one of earlier)
      if (await isRunning(tx, one))
        return refuse(
          'conflict',
          `you broke the glass for ${account.name} already (${one.id})`,
          'connect from My access',
        )

    const id = newId('bgl', tx.now.getTime())
    const end = new Date(tx.now.getTime() + safe.break_glass_minutes * 60_000)
    const elevation = await elevationOf(tx.db, tx.guard, account.id)
    const grant = await insertGuarded(tx, 'access_grant', {
      id: newId('grt', tx.now.getTime()),
      user_id: user.id,
      account_id: account.id,
      actions: [...glassActions(account, elevation !== undefined)],
      not_before: tx.now,
      not_after: end,
      max_session_seconds: safe.break_glass_minutes * 60,
      mode: 'shared',
      reason: input.reason,
      granted_by: grantedBy(id),
      created_at: tx.now,
      revoked_at: null,
      forwards: null,
      rule: null,
    })
    const doubt = await doubtOf(tx, account.id, grant)
    // Both may be sent: what is looked for afterwards is one that is newer than either.
    const versions = doubt?.order.map((one) => one.version) ?? [
      (await currentCredential(tx.db, tx.guard, account.id))?.version ?? 0,
    ]
    const version = Math.max(...versions)
    const alarmed = await alarmedBy(tx, safe, user.id)
    const row = await insertGuarded(tx, 'break_glass', {
      id,
      user_id: user.id,
      account_id: account.id,
      grant_id: grant.id,
      reason: input.reason,
      version,
      alarmed: [...alarmed],
      opened_at: tx.now,
      ends_at: end,
      reviewed_at: null,
      reviewed_by: null,
      note: null,
    })
    for (const one of versions)
      await noteExposure(tx, user.id, account.id, one, `break-glass ${id}: ${input.reason}`)
    const ref = {
      user: user.id,
      userName: user.name,
      account: account.id,
      accountName: account.name,
      grant: grant.id,
    }
    await tx.audit(
      {
        kind: 'breakglass.opened',
        breakGlass: id,
        until: end.toISOString(),
        reason: input.reason,
        version,
        alarmed: alarmed.length,
        ...ref,
        ...by(call),
      },
      {
        kind: 'grant.added',
        actions: grant.actions,
        notBefore: grant.not_before.toISOString(),
        notAfter: grant.not_after.toISOString(),
        maxSessionSeconds: grant.max_session_seconds,
        mode: grant.mode,
        reason: grant.reason,
        ...ref,
        ...by(call),
      },
    )
    await notify(
      tx,
      {
        kind: 'breakglass.opened',
        breakGlass: id,
        user: user.name,
        account: account.name,
        safe: safe.name,
        until: end.toISOString(),
      },
      alarmed,
    )
    return done(await viewBreakGlass(tx, call, row))
  })

/** Who is told: whom the safe names, and the administrators, as far as they can sign in; never who opened it alone. */
async function alarmedBy(tx: Tx, safe: Row<'safe'>, opener: UserId): Promise<readonly UserId[]> {
  const found: UserId[] = []
  for (const id of safe.break_glass_alarms ?? []) {
    const user = await findUser(tx.db, tx.guard, id)
    if (user?.state === 'active') found.push(user.id)
  }
  return [...new Set([...found, ...(await adminsOf(tx))])].filter((id) => id !== opener)
}
