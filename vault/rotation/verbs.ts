import { findAccount, type Account } from '../accounts/account.ts'
import type { RotationCause, RotationRunView, RotationSettings } from '../contract.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { permissionsIn } from '../relations.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { connectorOf } from './connectors.ts'
import { accountBudget, obstaclesOf } from './obstacles.ts'
import { stepOf } from './phases.ts'
import { advance, beginAssisted, createRun, findRun, type Run } from './run.ts'
import { kindOf, settingsRow, showSettings } from './settings.ts'
import { showRuns } from './view.ts'

async function showRun(tx: Tx, run: Run): Promise<RotationRunView> {
  const [view] = await showRuns(tx.db, tx.guard, [run], tx.now)
  if (view === undefined) throw new TypeError('a run that was read is shown')
  return view
}

/** Says what a rotation would do, and what stands before it. Changes nothing. */
export const rotationPlan: Handler<'rotation.plan'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const settings = await showSettings(tx.db, tx.guard, account, tx.now)
    const kind = kindOf(settings)
    const asked = { byHand: true, despiteDependants: false, kind, run: null } as const
    const obstacles = await obstaclesOf(tx, account, asked)
    const { left, of } = await accountBudget(tx, account)
    const times = obstacles.map(({ until }) =>
      until === null ? Number.POSITIVE_INFINITY : Date.parse(until),
    )
    const earliest = Math.max(tx.now.getTime(), ...times)
    return done({
      account: account.name,
      settings,
      steps: kind === 'assist' ? stepsOfPeople(settings) : stepsOf(settings, account),
      obstacles,
      earliest: Number.isFinite(earliest) ? new Date(earliest).toISOString() : null,
      logins: { left, of },
    })
  })

function stepsOf(
  { connector: name, throughAccount }: Pick<RotationSettings, 'connector' | 'throughAccount'>,
  account: Account,
): readonly string[] {
  const entry = connectorOf(name)
  if (entry === undefined) return []
  const what = entry.credential === 'password' ? 'password' : 'key'
  return [
    ...(entry.tells ? [`ask ${account.target.name} which passwords it takes`] : []),
    `make a new ${what} and keep it`,
    entry.through === undefined
      ? `log in to ${account.target.name} as ${account.login} and set it (${name})`
      : `log in as ${throughAccount ?? 'an account that nobody has named yet'} and set it (${name})`,
    ...(entry.persists ? ['have the machine keep it over a restart'] : []),
    `log in afresh with the new ${what}`,
    'use it from then on, and keep the old one',
    ...(entry.retires ? [`take the old ${what} away from the machine`] : []),
  ]
}

function stepsOfPeople({ connector, profile }: RotationSettings): readonly string[] {
  return [
    `make a new password${profile === null ? '' : ` (${profile})`} and keep it`,
    'open a task for people',
    'one of them asks to see it, in a recorded session; another one lets them',
    'they set it there, with the tool of its maker',
    connector === null
      ? 'somebody else looks, and signs'
      : `log in afresh with the new password (${connector})`,
    'use it from then on, and keep the old one',
  ]
}

/** Has an account rotated as soon as it may be. */
export const rotationStart: Handler<'rotation.start'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const despiteDependants = input.despiteDependants ?? false
    const run = await ask(tx, call, account, {
      despiteDependants,
      reason: input.reason ?? '',
      cause: 'by hand',
    })
    return run.ok ? done(await showRun(tx, run.value)) : run
  })

type Asked = {
  readonly cause: RotationCause
  readonly reason: string
  readonly despiteDependants: boolean
  readonly batch?: { readonly id: string; readonly place: number }
}

/** Makes a run of what may be rotated, now or later; refuses what never could. */
async function ask(tx: Tx, call: Call, account: Account, asked: Asked): Promise<Outcome<Run>> {
  const settings = await settingsRow(tx.db, tx.guard, account.id)
  const kind = asked.cause === 'verification' ? 'verify' : kindOf(settings)
  if (kind === 'assist' && asked.batch !== undefined)
    return refuse(
      'invalid',
      'it is changed by people, and not in a batch',
      `open its task: tagout rotate ${account.name}`,
    )
  const obstacles = await obstaclesOf(tx, account, { ...asked, byHand: true, kind, run: null })
  const never = obstacles.find(({ until }) => until === null)
  if (never !== undefined)
    return refuse(never.kind === 'running' ? 'conflict' : 'invalid', never.why, never.next)
  const wanted = { ...asked, kind, askedBy: nameOf(call) } as const
  const run = await createRun(tx, account, settings?.connector ?? '', wanted, by(call))
  if (kind === 'assist') return done(await beginAssisted(tx, call.world, account, run, by(call)))
  tx.afterCommit(() => call.world.rotation.wake())
  return done(run)
}

/** As of whatever somebody may not do: who may not does not learn whether it exists. */
const unknownOrForbidden = refuse(
  'forbidden',
  'there is no such thing, or you may not do this',
  'ask an administrator of this installation',
)

/** Has several rotated: the first of them alone, and the others once it has gone well. All are asked for, or none. */
export const rotationBatch: Handler<'rotation.batch'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const id = newId('rbt', tx.now.getTime())
    // SECURITY: what decides who may is told of one account; here there are many.
    const may = call.principal.kind === 'user' ? await permissionsIn(tx, call) : undefined
    const isAdmin = call.principal.kind !== 'user' || call.principal.roles.includes('admin')
    const named: Account[] = []
    for (const reference of input.accounts) {
      const account = await findAccount(tx.db, tx.guard, reference)
      if (account === undefined || !(isAdmin || may?.(account.safe_id, 'manage') === true))
        return isAdmin ? notFound('account', reference) : unknownOrForbidden
      if (named.some((one) => one.id === account.id))
        return refuse('invalid', `accounts: ${account.name} is named twice`, 'name each once')
      named.push(account)
    }
    const runs = new Map<string, Run>()
    // Rows are locked in one order, whoever names them in which.
    for (const { id: one } of named.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
      const account = await findAccount(tx.db, tx.guard, one, 'update')
      if (account === undefined) return notFound('account', one)
      const place = named.findIndex((other) => other.id === one)
      const run = await ask(tx, call, account, {
        ...{ cause: 'batch', reason: input.reason, despiteDependants: false },
        batch: { id, place },
      })
      if (!run.ok)
        return refuse(run.refusal.code, `${account.name}: ${run.refusal.message}`, run.refusal.next)
      runs.set(one, run.value)
    }
    return done(
      await showRuns(
        tx.db,
        tx.guard,
        named.flatMap((one) => runs.get(one.id) ?? []),
        tx.now,
      ),
    )
  })

/** Has the present credential tried, which changes nothing: drift is found by it. */
export const rotationVerify: Handler<'rotation.verify'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const run = await ask(tx, call, account, { cause: 'verification', reason: '', despiteDependants: false })
    return run.ok ? done(await showRun(tx, run.value)) : run
  })

/** Runs of the accounts that the asker looks after: what is not over first, then the latest. */
export const rotationList: Handler<'rotation.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database
    .selectFrom('rotation_run')
    .innerJoin('account', 'account.id', 'rotation_run.account_id')
    .selectAll('rotation_run')
    .orderBy('rotation_run.created_at', 'desc')
    .limit(1_000)
  if (input.open === true) query = query.where('rotation_run.ended_at', 'is', null)
  if (input.account !== undefined) {
    const account = await findAccount(database, guard, input.account)
    if (account === undefined) return sight.all ? notFound('account', input.account) : done([])
    query = query.where('rotation_run.account_id', '=', account.id)
  }
  if (!sight.all) {
    const safes = sight.safesWith('manage', 'approve')
    if (safes.length === 0) return done([])
    query = query.where('account.safe_id', 'in', safes)
  }
  const runs = checked(guard, 'rotation_run', await query.execute())
  return done(await showRuns(database, guard, runs, clock()))
}

export const rotationShow: Handler<'rotation.show'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const run = await findRun(tx, input.run)
    return run === undefined ? notFound('rotation', input.run) : done(await showRun(tx, run))
  })

/** Gives up a run of which no target has heard. */
export const rotationCancel: Handler<'rotation.cancel'> = async (call, input) =>
  move(call, input.run, async (tx, run) => {
    const why = `cancelled by ${nameOf(call)}: ${input.reason}`
    const after = await advance(tx, call.world, run, { kind: 'cancel', why: why.slice(0, 400) }, by(call))
    return after === undefined
      ? refuse(
          'conflict',
          run.ended_at === null
            ? 'its target may have heard of the new credential: it is brought to an end'
            : 'this run is over',
          `see: tagout rotation show ${run.id}`,
        )
      : done(after)
  })

/** Has both credentials tried again, where a target took neither. */
export const rotationRetry: Handler<'rotation.retry'> = async (call, input) =>
  move(call, input.run, async (tx, run) => {
    const after = await advance(tx, call.world, run, { kind: 'retry' }, by(call))
    if (after !== undefined) return done(after)
    // What waits for a target that is away is tried at once.
    if (run.ended_at !== null || run.step_until !== null || stepOf(run.phase) === undefined)
      return refuse('conflict', 'there is nothing to try again', `see: tagout rotation show ${run.id}`)
    tx.afterCommit(() => call.world.rotation.wake())
    return done(await updateGuarded(tx, 'rotation_run', run, { due_at: tx.now }))
  })

function move(
  call: Call,
  id: Run['id'],
  act: (tx: Tx, run: Run) => Promise<Outcome<Run>>,
): Promise<Outcome<RotationRunView>> {
  return transact(call.world, async (tx) => {
    const known = await findRun(tx, id)
    if (known === undefined) return notFound('rotation', id)
    // The account's row first, as everybody takes them.
    await tx.db
      .selectFrom('account')
      .select('id')
      .where('id', '=', known.account_id)
      .forNoKeyUpdate()
      .execute()
    const run = await findRun(tx, id, 'update')
    if (run === undefined) return notFound('rotation', id)
    const after = await act(tx, run)
    return after.ok ? done(await showRun(tx, after.value)) : after
  })
}

/** Says that production runs in a safe: nothing of it is rotated by itself until that is taken back, or over. */
export const rotationHold: Handler<'rotation.hold'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const until = input.until === undefined ? null : new Date(input.until)
    if (until !== null && until <= tx.now)
      return refuse('invalid', 'until: it lies in the past', 'give a later moment, or none')
    const before = await holdOf(tx, safe.id)
    if (before !== undefined) await updateGuarded(tx, 'rotation_hold', before, { ended_at: tx.now })
    const row = await insertGuarded(tx, 'rotation_hold', {
      ...{ id: newId('rhd', tx.now.getTime()), safe_id: safe.id, reason: input.reason },
      ...{ held_by: nameOf(call), since: tx.now, until, ended_at: null },
    })
    await tx.audit({
      kind: 'rotation.held',
      reason: input.reason,
      ...(until === null ? {} : { until: until.toISOString() }),
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(showHold(row, safe.name))
  })

export const rotationUnhold: Handler<'rotation.unhold'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const before = await holdOf(tx, safe.id)
    if (before === undefined) return refuse('conflict', `nothing holds up rotations in ${safe.name}`)
    await updateGuarded(tx, 'rotation_hold', before, { ended_at: tx.now })
    await tx.audit({ kind: 'rotation.unheld', safe: safe.id, safeName: safe.name, ...by(call) })
    tx.afterCommit(() => call.world.rotation.wake())
    return done(null)
  })

export const rotationHolds: Handler<'rotation.holds'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  const rows = checked(
    guard,
    'rotation_hold',
    await database.selectFrom('rotation_hold').selectAll().where('ended_at', 'is', null).execute(),
  )
  const safes = checked(guard, 'safe', await database.selectFrom('safe').selectAll().execute())
  const seen = sight.all ? undefined : sight.safesWith('manage', 'approve')
  return done(
    rows
      .filter(
        ({ safe_id, until }) => (seen?.includes(safe_id) ?? true) && (until === null || until > clock()),
      )
      .map((row) => showHold(row, safes.find(({ id }) => id === row.safe_id)?.name ?? '')),
  )
}

async function holdOf(tx: Tx, safe: Row<'safe'>['id']): Promise<Row<'rotation_hold'> | undefined> {
  return checkedOne(
    tx.guard,
    'rotation_hold',
    await tx.db
      .selectFrom('rotation_hold')
      .selectAll()
      .where('safe_id', '=', safe)
      .where('ended_at', 'is', null)
      .forUpdate()
      .executeTakeFirst(),
  )
}

function showHold(row: Row<'rotation_hold'>, safe: string) {
  return {
    safe,
    reason: row.reason,
    by: row.held_by,
    since: row.since.toISOString(),
    until: row.until?.toISOString() ?? null,
  }
}
