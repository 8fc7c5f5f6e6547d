import { type Account, findAccount, readAccount } from '../accounts/account.ts'
import { noteExposure } from '../accounts/exposure.ts'
import { takeField } from '../accounts/credential.ts'
import type { TaskView } from '../contract.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { takeCodeOfPerson, takeFreshCode } from '../identity/fresh-code.ts'
import { whySame } from '../identity/same-person.ts'
import { Fault } from '../kernel/fault.ts'
import type { TaskId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { permissionsIn } from '../relations.ts'
import { checked, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, userOf } from '../world.ts'
import { afterAct, type Standing, type TaskAct } from './assisted.ts'
import { connectorOf } from './connectors.ts'
import { advance, credentialOf, findRun, type Run } from './run.ts'
import { findTask, refOf, showTasks, type Task, tellOfTask } from './tasks.ts'

/** What people do with tasks of rotation. */

type Found = { readonly task: Task; readonly run: Run; readonly account: Account }

/** The account's row first, then the run's and the task's: in the order in which everybody takes them. */
async function lockTask(tx: Tx, id: TaskId): Promise<Found | undefined> {
  const known = await findTask(tx, id)
  if (known === undefined) return undefined
  const account = await readAccount(tx.db, tx.guard, known.account_id, 'update')
  const run = await findRun(tx, known.run_id, 'update')
  const task = await findTask(tx, id, 'update')
  if (account === undefined || run === undefined || task === undefined)
    throw new Fault('internal', 'a task has a run and an account')
  return { account, run, task }
}

/** SECURITY: who comes from outside changes no credential of the plant, whatever a row lets them do. */
const notFromOutside = refuse(
  'forbidden',
  'there is no such thing, or you may not do this',
  'ask an administrator of this installation',
)

/** How the one who asks stands to a task; asked of the rows of this transaction. */
async function standingOf(tx: Tx, call: Call, { task, run }: Found): Promise<Standing> {
  const { principal } = call
  const asker = principal.kind === 'user' ? principal.id : undefined
  const { changer_id } = task
  const same =
    asker === undefined || changer_id === null || asker === changer_id
      ? undefined
      : await whySame(tx.db, tx.guard, asker, changer_id)
  return {
    kind: task.kind,
    isChanger: asker !== undefined && asker === changer_id,
    isChangersPerson: asker !== undefined && (asker === changer_id || same !== undefined),
    logsIn: connectorOf(run.connector) !== undefined,
  }
}

/** Does one act of a task in one transaction: who, whether it has its place, and what it changes. */
async function doAct(
  tx: Tx,
  call: Call,
  id: TaskId,
  act: TaskAct,
  change: (found: Found) => Promise<Outcome<Partial<Task>>>,
): Promise<Outcome<Found>> {
  const found = await lockTask(tx, id)
  if (found === undefined) return notFound('task', id)
  const isFromOutside = call.principal.kind === 'user' && call.principal.roles.includes('vendor')
  if (isFromOutside) return notFromOutside
  const state = afterAct(found.task.state, act, await standingOf(tx, call, found))
  if (!state.ok) return state
  const values = await change(found)
  if (!values.ok) return values
  const isOver = state.value === 'done' || state.value === 'dropped'
  const after = await updateGuarded(tx, 'rotation_task', found.task, {
    ...values.value,
    state: state.value,
    closed_at: isOver ? tx.now : null,
  })
  return done({ ...found, task: after })
}

async function shown(tx: Tx, found: Found): Promise<Outcome<TaskView>> {
  const task = (await findTask(tx, found.task.id)) ?? found.task
  const [view] = await showTasks(tx.db, tx.guard, [task], tx.now)
  if (view === undefined) throw new TypeError('a task that was read is shown')
  return done(view)
}

/** Tasks of the accounts that the asker looks after, works with or approves for: the soonest due first. */
export const taskList: Handler<'task.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database
    .selectFrom('rotation_task')
    .innerJoin('account', 'account.id', 'rotation_task.account_id')
    .selectAll('rotation_task')
    .orderBy('rotation_task.due_at')
    .limit(1_000)
  if (input.all !== true) query = query.where('rotation_task.closed_at', 'is', null)
  if (input.account !== undefined) {
    const account = await findAccount(database, guard, input.account)
    if (account === undefined) return sight.all ? notFound('account', input.account) : done([])
    query = query.where('rotation_task.account_id', '=', account.id)
  }
  if (!sight.all) {
    const safes = sight.isVendor ? [] : sight.safesWith('manage', 'approve', 'use')
    if (safes.length === 0) return done([])
    query = query.where('account.safe_id', 'in', safes)
  }
  const tasks = checked(guard, 'rotation_task', await query.execute())
  return done(await showTasks(database, guard, tasks, clock()))
}

/**
 * Has a task in hand, in a session of one's own that runs now: on the account, or on another one of its safe, where the
 * tool is.
 */
export const taskTake: Handler<'task.take'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const user = userOf(call)
    const acted = await doAct(tx, call, input.task, 'take', async ({ account }) => {
      const fault = sessionFault(call, input.session, account)
      return (
        fault ??
        done({
          ...{ changer_id: user.id, session_id: input.session, asked_at: tx.now },
          ...{ approver_id: null, approved_at: null },
        })
      )
    })
    if (!acted.ok) return acted
    const { task, account } = acted.value
    await tx.audit({
      kind: 'rotation.task-taken',
      ...refOf(task, account),
      session: input.session,
      ...by(call),
    })
    await tellOfTask(tx, 'rotation.task-asked', task, account)
    return shown(tx, acted.value)
  })

/** SECURITY: of the sessions in the vault's memory, not of a row that somebody may have written. */
function sessionFault(call: Call, session: Task['session_id'], account: Account): Outcome<never> | undefined {
  const live = session === null ? undefined : call.world.live.get(session)
  if (live === undefined || live.user !== userOf(call).id || live.safe !== account.safe_id)
    return refuse(
      'conflict',
      `session: it is no session of yours that runs now in the safe of ${account.name}`,
      'connect to the machine, or to where its tool runs, and name that session: tagout session list',
    )
  return live.connected && live.isVetted && live.cut === null
    ? undefined
    : refuse('conflict', 'session: it is not connected', 'wait until it is, or connect anew')
}

/** Lets who has a task in hand see the new secret, once. */
export const taskApprove: Handler<'task.approve'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = userOf(call)
    const acted = await doAct(tx, call, input.task, 'approve', async () =>
      done({ approver_id: user.id, approved_at: tx.now }),
    )
    if (!acted.ok) return acted
    const { task, account } = acted.value
    await tx.audit({
      kind: 'rotation.task-approved',
      ...refOf(task, account),
      userName: await changerName(tx, task),
      ...by(call),
    })
    return shown(tx, acted.value)
  })

async function changerName(tx: Tx, { changer_id }: Task): Promise<string> {
  if (changer_id === null) return ''
  const row = await tx.db
    .selectFrom('app_user')
    .select('name')
    .where('id', '=', changer_id)
    .executeTakeFirst()
  return row?.name ?? ''
}

/**
 * Shows the new secret to who has the task in hand: sealed to the one-time key of their client, once for each approval,
 * while the session of the task runs, and written in the exposure ledger first.
 */
export const taskReveal: Handler<'task.reveal'> = async (call, input) => {
  const { world } = call
  const user = userOf(call)
  const boxKey = Buffer.from(input.boxKey, 'base64')
  if (boxKey.length !== 32) return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  const outcome = await transact(world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const may = await permissionsIn(tx, call)
    const acted = await doAct(tx, call, input.task, 'reveal', async ({ task, account }) => {
      // SECURITY: asked again: what let them take it may have been taken from them, and two users may have become one person.
      if (!may(account.safe_id, 'manage') && !may(account.safe_id, 'use')) return notFromOutside
      const fault = sessionFault(call, task.session_id, account)
      if (fault !== undefined) return fault
      const alias =
        task.approver_id === null ? 'nobody' : await whySame(tx.db, tx.guard, user.id, task.approver_id)
      if (alias !== undefined)
        return refuse(
          'forbidden',
          'who let you see it is you: two people stand behind this',
          'have somebody else',
        )
      return done({ revealed_at: tx.now })
    })
    if (!acted.ok) return acted
    const { task, run, account } = acted.value
    const credential = await credentialOf(tx, run, run.version)
    if (credential === undefined || credential.state !== 'candidate')
      throw new Fault('internal', 'what is shown is the candidate')
    await noteExposure(tx, user.id, account.id, credential.version, `rotation task ${task.id}`)
    await tx.audit({
      kind: 'rotation.task-revealed',
      ...refOf(task, account),
      version: credential.version,
      ...(task.session_id === null ? {} : { session: task.session_id }),
      ...by(call),
    })
    return done({ account, credential })
  })
  if (!outcome.ok) return outcome
  const { account, credential } = outcome.value
  using secret = await takeField(world, account, credential, 'password')
  return done({
    sealed: Buffer.from(sealToBox(boxKey, secret)).toString('base64'),
    version: credential.version,
  })
}

type Said = {
  readonly note: string
  readonly workOrder?: string | undefined
  readonly evidence?: { readonly name: string; readonly sha256?: string | undefined } | undefined
}

function evidenceOf({ workOrder, evidence }: Said) {
  return {
    ...(workOrder === undefined ? {} : { work_order: workOrder }),
    ...(evidence === undefined
      ? {}
      : { evidence_name: evidence.name, evidence_sha256: evidence.sha256 ?? '' }),
  }
}

function saidOf({ note, workOrder, evidence }: Said) {
  return {
    note,
    ...(workOrder === undefined ? {} : { workOrder }),
    ...(evidence === undefined ? {} : { evidence: evidence.name }),
    ...(evidence?.sha256 === undefined ? {} : { evidenceSha256: evidence.sha256 }),
  }
}

/** Says that it is changed. A login is to show it, or somebody else. */
export const taskMake: Handler<'task.make'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const may = await permissionsIn(tx, call)
    const acted = await doAct(tx, call, input.task, 'make', async ({ account }) =>
      may(account.safe_id, 'manage') || may(account.safe_id, 'use')
        ? done({
            ...{ made_by: nameOf(call), made_at: tx.now, note: input.note },
            ...evidenceOf(input),
          })
        : notFromOutside,
    )
    if (!acted.ok) return acted
    const { task, run, account } = acted.value
    await tx.audit({ kind: 'rotation.task-made', ...refOf(task, account), ...saidOf(input), ...by(call) })
    if (task.kind === 'change') await advance(tx, call.world, run, { kind: 'made' }, by(call))
    return shown(tx, acted.value)
  })

/** Says as somebody else that it is changed, where no machine can look: from now on it is the current one. */
export const taskSign: Handler<'task.sign'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const user = userOf(call)
    const acted = await doAct(tx, call, input.task, 'sign', async () =>
      done({ signer_id: user.id, signed_at: tx.now, sign_note: input.note, ...evidenceOf(input) }),
    )
    if (!acted.ok) return acted
    const { task, run, account } = acted.value
    await tx.audit({
      kind: 'rotation.task-signed',
      ...refOf(task, account),
      userName: await changerName(tx, task),
      ...saidOf(input),
      ...by(call),
    })
    const after = await advance(tx, call.world, run, { kind: 'signed' }, by(call))
    if (after === undefined) throw new Fault('internal', 'what people say is changed waits to be signed')
    return shown(tx, acted.value)
  })

/** Lets go of a task: nothing is decided, and somebody else may take it. What was shown stays in the ledger. */
export const taskRelease: Handler<'task.release'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const acted = await doAct(tx, call, input.task, 'release', async () =>
      done({ changer_id: null, session_id: null, asked_at: null, approver_id: null, approved_at: null }),
    )
    if (!acted.ok) return acted
    const { task, account } = acted.value
    await tx.audit({
      kind: 'rotation.task-released',
      ...refOf(task, account),
      reason: input.reason,
      ...by(call),
    })
    return shown(tx, acted.value)
  })

/** Gives a task up: the present credential stays, and the new one is kept as one that nobody was seen to set. */
export const taskDrop: Handler<'task.drop'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const acted = await doAct(tx, call, input.task, 'drop', async ({ task, run }) =>
      task.kind === 'change' && connectorOf(run.connector) === undefined && task.state === 'made'
        ? done({ sign_note: input.reason })
        : done({}),
    )
    if (!acted.ok) return acted
    const { task, run, account } = acted.value
    await tx.audit({
      kind: 'rotation.task-dropped',
      ...refOf(task, account),
      reason: input.reason,
      ...by(call),
    })
    if (task.kind === 'change')
      await advance(
        tx,
        call.world,
        run,
        {
          kind: 'dropped',
          wasSeen: task.revealed_at !== null,
          why: `given up by ${nameOf(call)}: ${input.reason}`.slice(0, 400),
        },
        by(call),
      )
    return shown(tx, acted.value)
  })

/** A year: for so long a task is put off at most. */
const latestMs = 366 * 86_400_000

/** Says when a task is due, or that nobody is reminded of it until a day. */
export const taskPostpone: Handler<'task.postpone'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const found = await lockTask(tx, input.task)
    if (found === undefined) return notFound('task', input.task)
    const { task, account } = found
    if (task.closed_at !== null)
      return refuse('conflict', 'this task is over', 'see: tagout rotation tasks --all')
    if (input.dueAt === undefined && input.pausedUntil === undefined)
      return refuse('invalid', 'dueAt: nothing is set', 'give a due date, or a pause')
    const due = input.dueAt === undefined ? task.due_at : new Date(input.dueAt)
    const paused =
      input.pausedUntil === undefined
        ? task.paused_until
        : input.pausedUntil === null
          ? null
          : new Date(input.pausedUntil)
    for (const [name, at] of [
      ['dueAt', input.dueAt === undefined ? null : due],
      ['pausedUntil', input.pausedUntil === undefined ? null : paused],
    ] as const)
      if (at !== null && (at <= tx.now || at.getTime() - tx.now.getTime() > latestMs))
        return refuse(
          'invalid',
          `${name}: it lies in the past, or more than a year off`,
          'choose another day',
        )
    const after = await updateGuarded(tx, 'rotation_task', task, {
      due_at: due,
      paused_until: paused,
      pause_reason: input.reason,
      // A new date is reminded of anew.
      ...{ reminded_at: null, escalated_at: null },
    })
    await tx.audit({
      kind: 'rotation.task-postponed',
      ...refOf(task, account),
      dueAt: due.toISOString(),
      ...(paused === null ? {} : { pausedUntil: paused.toISOString() }),
      reason: input.reason,
      ...by(call),
    })
    return shown(tx, { ...found, task: after })
  })
