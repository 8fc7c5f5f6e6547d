import { readAccount } from '../accounts/account.ts'
import { updateGuarded } from '../rows.ts'
import { isDatabaseAway } from '../transact.ts'
import type { World } from '../world.ts'
import { advance, findRun } from './run.ts'
import { findTask, refOf, tellOfTask } from './tasks.ts'

/** Milliseconds before a task is due at which people are reminded of it. */
const aheadMs = 3 * 86_400_000
const mostAtOnce = 500

/** Reminds people of tasks that are due soon, and tells those above them of what is overdue, once each. */
export async function remindOfTasks(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const now = clock()
  const rows = await database
    .selectFrom('rotation_task')
    .innerJoin('account', 'account.id', 'rotation_task.account_id')
    .select(['rotation_task.id', 'rotation_task.account_id'])
    .where('closed_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb('account.removed_at', 'is not', null),
        eb.and([
          eb.or([eb('paused_until', 'is', null), eb('paused_until', '<=', now)]),
          eb.or([
            eb.and([eb('reminded_at', 'is', null), eb('due_at', '<=', new Date(now.getTime() + aheadMs))]),
            eb.and([eb('escalated_at', 'is', null), eb('due_at', '<=', now)]),
          ]),
        ]),
      ]),
    )
    .limit(mostAtOnce)
    .execute()
  for (const { id, account_id } of rows)
    try {
      await world.vault.inTransaction(async (tx) => {
        const account = await readAccount(tx.db, tx.guard, account_id, 'update')
        const known = await findTask(tx, id)
        const run = known === undefined ? undefined : await findRun(tx, known.run_id, 'update')
        const task = await findTask(tx, id, 'update')
        if (account === undefined || run === undefined || task === undefined || task.closed_at !== null)
          return
        if (account.removed_at !== null) {
          // Nobody is to change what nobody uses any more.
          await updateGuarded(tx, 'rotation_task', task, { state: 'dropped', closed_at: tx.now })
          await advance(tx, world, run, { kind: 'superseded' })
          return
        }
        if (task.paused_until !== null && task.paused_until > tx.now) return
        if (task.due_at <= tx.now && task.escalated_at === null) {
          await updateGuarded(tx, 'rotation_task', task, { escalated_at: tx.now, reminded_at: tx.now })
          await tx.audit({
            kind: 'rotation.task-overdue',
            ...refOf(task, account),
            dueAt: task.due_at.toISOString(),
            actor: { kind: 'vault' },
          })
          await tellOfTask(tx, 'rotation.task-overdue', task, account)
        } else if (task.reminded_at === null && task.due_at.getTime() - tx.now.getTime() <= aheadMs) {
          await updateGuarded(tx, 'rotation_task', task, { reminded_at: tx.now })
          await tellOfTask(tx, 'rotation.task-due', task, account)
        }
      })
    } catch (error) {
      // SECURITY: each by itself: a row that somebody forged keeps nobody from being reminded of the others.
      if (isDatabaseAway(error)) throw error
      world.onFault(`the task ${id}`, error)
    }
}
