import { readAccount } from '../accounts/account.ts'
import type { TaskId } from '../kernel/id.ts'
import type { Row } from '../rows.ts'
import { isDatabaseAway } from '../transact.ts'
import type { World } from '../world.ts'
import { obstaclesOf } from './obstacles.ts'
import { beginAssisted, createRun, openRunOf } from './run.ts'
import { kindOf, settingsRow } from './settings.ts'
import { findTask } from './tasks.ts'

/** Milliseconds after which a place is tried again whose run did not go well. */
const restMs = 6 * 3600_000
const mostAtOnce = 200

/** Has accounts take the new secret of the one that they are a copy of, as soon as each may. */
export async function carryToAccounts(world: World): Promise<void> {
  const { database, clock } = world.vault
  const rows = await database
    .selectFrom('rotation_task')
    .select(['id', 'place_account_id'])
    .where('closed_at', 'is', null)
    .where('place_account_id', 'is not', null)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('rotation_run')
            .select('rotation_run.id')
            .whereRef('rotation_run.account_id', '=', 'rotation_task.place_account_id')
            .where((of) =>
              of.or([
                of('ended_at', 'is', null),
                of.and([
                  of('for_task', '=', of.ref('rotation_task.id')),
                  of('ended_at', '>', new Date(clock().getTime() - restMs)),
                ]),
              ]),
            ),
        ),
      ),
    )
    .limit(mostAtOnce)
    .execute()
  for (const { id, place_account_id } of rows)
    try {
      if (place_account_id !== null) await carryOne(world, id, place_account_id)
    } catch (error) {
      if (isDatabaseAway(error)) throw error
      world.onFault(`the place of the task ${id}`, error)
    }
}

function carryOne(world: World, id: TaskId, place: Row<'account'>['id']): Promise<void> {
  return world.vault.inTransaction(async (tx) => {
    const account = await readAccount(tx.db, tx.guard, place, 'update')
    const task = await findTask(tx, id, 'update')
    if (account === undefined || account.removed_at !== null) return
    if (task === undefined || task.closed_at !== null || task.place_account_id !== account.id) return
    if ((await openRunOf(tx, account.id)) !== undefined) return
    const settings = await settingsRow(tx.db, tx.guard, account.id)
    // SECURITY: looked at when it was said, and again: no secret goes to another safe.
    const from = await readAccount(tx.db, tx.guard, task.account_id)
    if (settings === undefined || from === undefined || from.safe_id !== account.safe_id) return
    const kind = kindOf(settings)
    const asked = { byHand: true, despiteDependants: true, kind, run: null, isCarried: true } as const
    // What nothing can do here stays a task for people.
    if ((await obstaclesOf(tx, account, asked)).some(({ until }) => until === null)) return
    const who = { actor: { kind: 'vault' } } as const
    const run = await createRun(
      tx,
      account,
      settings.connector ?? '',
      {
        ...{ kind, cause: 'dependant', askedBy: 'vault', despiteDependants: true, forTask: task.id },
        reason: `it holds the secret of ${from.name}`,
      },
      who,
    )
    if (kind === 'assist') await beginAssisted(tx, world, account, run, who)
    else tx.afterCommit(() => world.rotation.wake())
  })
}
