import { takeFreshCode } from '../identity/fresh-code.ts'
import { whySame } from '../identity/same-person.ts'
import type { UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { notFound } from '../not-found.ts'
import { notify } from '../notifications/notify.ts'
import { permissionsIn } from '../relations.ts'
import { checkedOne, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import { by, type Handler, userOf } from '../world.ts'
import { isRunning, viewBreakGlass } from './view.ts'

/**
 * Says what came of a break-glass, once it is over, and ends its alarm.
 *
 * SECURITY: never by who opened it (`notOwn` in the rules, here, and in the table); a login alone ends no alarm.
 */
export const breakglassReview: Handler<'breakglass.review'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = checkedOne(
      tx.guard,
      'break_glass',
      await tx.db
        .selectFrom('break_glass')
        .selectAll()
        .where('id', '=', input.breakGlass)
        .forUpdate()
        .executeTakeFirst(),
    )
    if (row === undefined) return notFound('break-glass', input.breakGlass)
    if (row.user_id === asking.id)
      return refuse('forbidden', 'you cannot review your own break-glass', 'somebody else must')
    const alias = await whySame(tx.db, tx.guard, row.user_id, asking.id)
    if (alias !== undefined)
      return refuse(
        'forbidden',
        `you cannot review your own break-glass, by another user who is you: ${alias}`,
        'somebody else must',
      )
    const account = await tx.db
      .selectFrom('account')
      .innerJoin('target', 'target.id', 'account.target_id')
      .select(['account.safe_id', 'account.login', 'target.name'])
      .where('account.id', '=', row.account_id)
      .executeTakeFirstOrThrow()
    const may = await permissionsIn(tx, call)
    const { roles } = asking
    const isReviewer = roles.some((one) => one === 'admin' || one === 'auditor' || one === 'security-officer')
    if (!isReviewer && !may(account.safe_id, 'approve'))
      return refuse('forbidden', 'you may not review this break-glass', 'an approver of the safe may')
    if (row.reviewed_at !== null) return refuse('conflict', 'this break-glass is reviewed already')
    if (await isRunning(tx, row))
      return refuse(
        'conflict',
        'this break-glass is not over',
        `wait until ${utcMinute(row.ends_at)}, or revoke its grant ${row.grant_id}`,
      )
    const after = await updateGuarded(tx, 'break_glass', row, {
      reviewed_at: tx.now,
      reviewed_by: asking.id,
      note: input.note,
    })
    const view = await viewBreakGlass(tx, call, after)
    const ref = { user: row.user_id, userName: view.user, account: row.account_id, accountName: view.account }
    await tx.audit({
      kind: 'breakglass.reviewed',
      breakGlass: row.id,
      note: input.note,
      grant: row.grant_id,
      ...ref,
      ...by(call),
    })
    await notify(
      tx,
      {
        kind: 'breakglass.reviewed',
        breakGlass: row.id,
        user: view.user,
        account: view.account,
        by: asking.name,
      },
      [row.user_id, ...(row.alarmed as readonly UserId[])].filter((id) => id !== asking.id),
    )
    return done(view)
  })
