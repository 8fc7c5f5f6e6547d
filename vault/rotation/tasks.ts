import type { Kysely } from 'kysely'
import { readAccount } from '../accounts/account.ts'
import type { TaskView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { newId, type RotationId, type TaskId } from '../kernel/id.ts'
import { adminsOf, activeWith, notify } from '../notifications/notify.ts'
import { type Checker, checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { connectorOf } from './connectors.ts'

export type Task = Row<'rotation_task'>
type Run = Row<'rotation_run'>

const day = 86_400_000
/** Days that people have for a task, unless somebody says otherwise. */
const usualDays = 14

/** The id of the task of a run's change. SECURITY: one that somebody took out of the table is missed by it. */
export function changeTaskId(run: RotationId): TaskId {
  return `rtk_${run.slice(4)}` as TaskId
}

/** A task, checked. `update`: nobody else moves it meanwhile; the caller holds the account's row already. */
export async function findTask(
  tx: Pick<Tx, 'db' | 'guard'>,
  id: TaskId,
  lock: 'read' | 'update' = 'read',
): Promise<Task | undefined> {
  const query = tx.db.selectFrom('rotation_task').selectAll().where('id', '=', id)
  const row = checkedOne(
    tx.guard,
    'rotation_task',
    await (lock === 'update' ? query.forUpdate() : query).executeTakeFirst(),
  )
  if (row === undefined) tx.guard.checkAbsent('rotation_task', { id })
  return row
}

/** Opens a task of a run: of its change, or of another place that holds the secret. Who looks after the safe is told. */
export async function openTask(
  tx: Tx,
  account: { readonly id: Row<'account'>['id']; readonly name: string; readonly safe_id: string },
  run: Run,
  place: { readonly name: string; readonly account?: Row<'account'>['id'] } | null,
): Promise<Task> {
  const task = await insertGuarded(tx, 'rotation_task', {
    id: place === null ? changeTaskId(run.id) : newId('rtk', tx.now.getTime()),
    ...{ run_id: run.id, account_id: account.id, kind: place === null ? 'change' : 'place' },
    ...{
      place: place?.name ?? '',
      place_account_id: place?.account ?? null,
      state: 'open',
      created_at: tx.now,
    },
    due_at: new Date(tx.now.getTime() + usualDays * day),
    ...{ paused_until: null, pause_reason: '', changer_id: null, session_id: null, asked_at: null },
    ...{ approver_id: null, approved_at: null, revealed_at: null, made_by: null, made_at: null },
    ...{ note: '', work_order: '', evidence_name: '', evidence_sha256: '' },
    ...{ signer_id: null, signed_at: null, sign_note: '' },
    ...{ reminded_at: null, escalated_at: null, closed_at: null },
  })
  await tx.audit({
    kind: 'rotation.task-opened',
    ...refOf(task, account),
    dueAt: task.due_at.toISOString(),
    actor: { kind: 'vault' },
  })
  await tellOfTask(tx, 'rotation.task-opened', task, account)
  return task
}

/** How the log names a task. */
export function refOf(task: Task, account: { readonly id: Row<'account'>['id']; readonly name: string }) {
  return {
    task: task.id,
    rotation: task.run_id,
    ...(task.place === '' ? {} : { place: task.place }),
    account: account.id,
    accountName: account.name,
  }
}

/** Ends the task of a run's change: by what came of the run, whoever has it in hand. */
export async function closeTaskOf(tx: Tx, run: Run, state: 'done' | 'dropped'): Promise<void> {
  const task = await findTask(tx, changeTaskId(run.id), 'update')
  // What was given up is looked at all the same: it may have been set.
  if (task !== undefined && task.state !== state)
    await updateGuarded(tx, 'rotation_task', task, { state, closed_at: tx.now })
}

/** Has who looks after a safe written to of a task; of one that is overdue, those above them too. */
export async function tellOfTask(
  tx: Tx,
  kind: 'rotation.task-opened' | 'rotation.task-asked' | 'rotation.task-due' | 'rotation.task-overdue',
  task: Task,
  account: { readonly name: string; readonly safe_id: string },
): Promise<void> {
  const about = {
    kind,
    task: task.id,
    account: account.name,
    place: task.place,
    dueAt: task.due_at.toISOString(),
  }
  await notify(tx, about, async () => {
    const members = checked(
      tx.guard,
      'safe_member',
      await tx.db
        .selectFrom('safe_member')
        .selectAll()
        .where('safe_id', '=', account.safe_id as Row<'safe'>['id'])
        .execute(),
    )
    const wanted = kind === 'rotation.task-asked' ? 'approve' : 'manage'
    const told = members.filter((one) => one.permissions.includes(wanted)).map((one) => one.user_id)
    const inHand = task.changer_id === null || kind === 'rotation.task-asked' ? [] : [task.changer_id]
    const above =
      kind === 'rotation.task-overdue'
        ? await activeWith(tx, ['admin', 'security-officer'])
        : told.length === 0
          ? await adminsOf(tx)
          : []
    return [...told, ...inHand, ...above]
  })
}

/** Tasks as people see them. */
export async function showTasks(
  db: Kysely<Database>,
  checker: Checker,
  tasks: readonly Task[],
  now: Date,
): Promise<readonly TaskView[]> {
  if (tasks.length === 0) return []
  const runs = new Map(
    checked(
      checker,
      'rotation_run',
      await db
        .selectFrom('rotation_run')
        .selectAll()
        .where('id', 'in', [...new Set(tasks.map(({ run_id }) => run_id))])
        .execute(),
    ).map((run) => [run.id, run]),
  )
  const users = tasks
    .flatMap((one) => [one.changer_id, one.approver_id, one.signer_id])
    .filter((one) => one !== null)
  const names = new Map(
    users.length === 0
      ? []
      : (await db.selectFrom('app_user').select(['id', 'name']).where('id', 'in', users).execute()).map(
          ({ id, name }) => [id, name],
        ),
  )
  const safes = new Map(
    (await db.selectFrom('safe').select(['id', 'name']).execute()).map(({ id, name }) => [id, name]),
  )
  const nameOf = (user: string | null) => (user === null ? null : (names.get(user as never) ?? null))
  const shown: TaskView[] = []
  for (const task of tasks) {
    const account = await readAccount(db, checker, task.account_id)
    const run = runs.get(task.run_id)
    const logsIn = task.kind === 'change' && connectorOf(run?.connector ?? null) !== undefined
    const isPaused = task.paused_until !== null && task.paused_until > now
    shown.push({
      id: task.id,
      run: task.run_id,
      account: account?.name ?? '',
      safe: account === undefined ? '' : (safes.get(account.safe_id) ?? ''),
      kind: task.kind,
      place: task.place === '' ? null : task.place,
      state: task.state,
      ...{ cause: run?.cause ?? '', reason: run?.reason ?? '', askedBy: run?.asked_by ?? '' },
      version: run?.version ?? null,
      createdAt: task.created_at.toISOString(),
      dueAt: task.due_at.toISOString(),
      isOverdue: task.closed_at === null && task.due_at <= now && !isPaused,
      pausedUntil: task.paused_until?.toISOString() ?? null,
      pauseReason: task.pause_reason,
      ...{ changer: nameOf(task.changer_id), session: task.session_id, approver: nameOf(task.approver_id) },
      revealedAt: task.revealed_at?.toISOString() ?? null,
      madeBy: task.made_by,
      madeAt: task.made_at?.toISOString() ?? null,
      note: task.note,
      workOrder: task.work_order === '' ? null : task.work_order,
      evidence:
        task.evidence_name === ''
          ? null
          : {
              name: task.evidence_name,
              sha256: task.evidence_sha256 === '' ? null : task.evidence_sha256,
            },
      signer: nameOf(task.signer_id),
      signedAt: task.signed_at?.toISOString() ?? null,
      signNote: task.sign_note,
      closedAt: task.closed_at?.toISOString() ?? null,
      logsIn,
      next: nextOf(task, logsIn, nameOf(task.changer_id) ?? 'somebody'),
    })
  }
  return shown
}

/** What is to be done, and by whom. */
function nextOf(task: Task, logsIn: boolean, changer: string): string | null {
  switch (task.state) {
    case 'open':
      return task.kind === 'place'
        ? task.place_account_id !== null
          ? `${task.place} takes it by itself where it can: tagout rotation list --account ${task.place}; otherwise: tagout rotation task made ${task.id} --user NAME --note TEXT`
          : `have ${task.place} take the new secret, then: tagout rotation task made ${task.id} --user NAME --note TEXT`
        : 'connect to the machine or to where its tool runs, and take the task in that session'
    case 'asked':
      return `somebody else who approves in the safe lets ${changer} see the new secret`
    case 'approved':
      return `${changer} has it shown`
    case 'revealed':
      return `${changer} sets it, and says so`
    case 'made':
      return logsIn ? 'Tagout logs in and looks' : `somebody other than ${changer} looks, and signs`
    case 'done':
    case 'dropped':
      return null
  }
}
