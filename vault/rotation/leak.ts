import { type Account, findAccount } from '../accounts/account.ts'
import type { VerbAnswer } from '../contract.ts'
import { done } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { activeWith, notify } from '../notifications/notify.ts'
import { checked, updateGuarded } from '../rows.ts'
import { orderMessage } from '../sessions/workers.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { obstaclesOf } from './obstacles.ts'
import { advance, beginAssisted, createRun, findRun, openRunOf } from './run.ts'
import { kindOf, settingsRow } from './settings.ts'
import { changeTaskId, findTask } from './tasks.ts'
import { showRuns } from './view.ts'

/** Milliseconds that people have for a task because of a leak. */
const hurryMs = 86_400_000

type Said = Omit<VerbAnswer<'rotation.leak'>, 'told'> & { readonly account: Account }

/**
 * Says that a secret has leaked: it is in the log and people are told, whatever follows; who is connected with it is told;
 * and it is rotated as soon as it may be, before its window where its settings let that be.
 */
export const rotationLeak: Handler<'rotation.leak'> = async (call, input) => {
  const { world } = call
  const said = await transact<Said>(world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    await tx.audit({
      kind: 'rotation.leaked',
      reason: input.reason,
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    await notify(tx, { kind: 'rotation.leaked', account: account.name, by: nameOf(call) }, async () => {
      const members = checked(
        tx.guard,
        'safe_member',
        await tx.db.selectFrom('safe_member').selectAll().where('safe_id', '=', account.safe_id).execute(),
      )
      const managers = members.filter((one) => one.permissions.includes('manage')).map((one) => one.user_id)
      return [...managers, ...(await activeWith(tx, ['admin', 'security-officer']))]
    })
    const settings = await settingsRow(tx.db, tx.guard, account.id)
    const kind = kindOf(settings)
    const open = await openRunOf(tx, account.id)
    if (open?.phase === 'waiting') {
      // What waits for its window does so no longer.
      const run = await findRun(tx, open.id, 'update')
      if (run !== undefined)
        await advance(tx, world, run, { kind: 'cancel', why: 'it is rotated because of a leak' }, by(call))
    }
    const asked = { byHand: true, despiteDependants: false, kind, run: null, isLeak: true } as const
    const never = (await obstaclesOf(tx, account, asked)).find(({ until }) => until === null)
    if (never !== undefined) return done({ account, run: null, why: never.why, next: never.next })
    const made = await createRun(
      tx,
      account,
      settings?.connector ?? '',
      { kind, cause: 'leak', askedBy: nameOf(call), reason: input.reason },
      by(call),
    )
    const run = kind === 'assist' ? await beginAssisted(tx, world, account, made, by(call)) : made
    if (kind === 'assist') await hurry(tx, run.id)
    tx.afterCommit(() => world.rotation.wake())
    const [view] = await showRuns(tx.db, tx.guard, [run], tx.now)
    return done({ account, run: view ?? null, why: null, next: null })
  })
  if (!said.ok) return said
  const { account, run, why, next } = said.value
  const text = `the password or key of ${account.name} has leaked and is changed: end your session when you can, or it waits for you`
  const told = await Promise.all(
    world.live
      .where((one) => one.account === account.id && one.cut === null)
      .map(async ({ peer, id }) =>
        peer === undefined ? 0 : orderMessage(peer, id, { by: nameOf(call), text }),
      ),
  )
  return done({ run, why, next, told: told.filter((terminals) => terminals > 0).length })
}

async function hurry(tx: Tx, run: Parameters<typeof changeTaskId>[0]): Promise<void> {
  const task = await findTask(tx, changeTaskId(run), 'update')
  if (task !== undefined)
    await updateGuarded(tx, 'rotation_task', task, { due_at: new Date(tx.now.getTime() + hurryMs) })
}
