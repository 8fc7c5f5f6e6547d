import { generateKeyPairSync } from 'node:crypto'
import { type Account, currentCredential, readAccount } from '../accounts/account.ts'
import type { RotationCause } from '../contract.ts'
import { Fault } from '../kernel/fault.ts'
import { newId, type RotationId, type TaskId } from '../kernel/id.ts'
import { Secret } from '../kernel/secret.ts'
import { orAlarm, adminsOf, notify } from '../notifications/notify.ts'
import { parsePrivateKey } from '../release/ssh-private-key.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { Actor } from '../audit/entry.ts'
import type { World } from '../world.ts'
import { nextOfCheck } from './check.ts'
import { connectorOf } from './connectors.ts'
import { type Abilities, type Effect, type Event, isOver, next, type Next, type RunState } from './phases.ts'
import { makePassword } from './profile.ts'
import type { PasswordProfile } from './profile-shape.ts'
import { makerOf, settingsRow } from './settings.ts'
import { openPlaces } from './dependants.ts'
import { closeTaskOf, findTask, openTask } from './tasks.ts'

export type Run = Row<'rotation_run'>
type Who = { readonly actor: Actor; readonly source?: string }

/** The run of an id, checked. `update`: nobody else moves it meanwhile; the caller holds the account's row already. */
export async function findRun(
  tx: Pick<Tx, 'db' | 'guard'>,
  id: RotationId,
  lock: 'read' | 'update' = 'read',
): Promise<Run | undefined> {
  const query = tx.db.selectFrom('rotation_run').selectAll().where('id', '=', id)
  return checkedOne(
    tx.guard,
    'rotation_run',
    await (lock === 'update' ? query.forUpdate() : query).executeTakeFirst(),
  )
}

/** The run of an account that is not over. */
export async function openRunOf(
  tx: Pick<Tx, 'db' | 'guard'>,
  account: Row<'account'>['id'],
): Promise<Run | undefined> {
  const run = checkedOne(
    tx.guard,
    'rotation_run',
    await tx.db
      .selectFrom('rotation_run')
      .selectAll()
      .where('account_id', '=', account)
      .where('ended_at', 'is', null)
      .executeTakeFirst(),
  )
  if (run === undefined) await missRun(tx, account)
  return run
}

/** SECURITY: a rotation in doubt is not forgotten because somebody took it out of the table: its candidate names it. */
async function missRun(tx: Pick<Tx, 'db' | 'guard'>, account: Row<'account'>['id']): Promise<void> {
  const left = await tx.db
    .selectFrom('credential')
    .select('created_by')
    .where('account_id', '=', account)
    .where('state', '=', 'candidate')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('rotation_run')
            .select('id')
            .whereRef('rotation_run.id', '=', 'credential.created_by'),
        ),
      ),
    )
    .execute()
  for (const { created_by } of left) tx.guard.checkAbsent('rotation_run', { id: created_by })
}

/** The latest runs of an account that are over, the latest first. */
export async function pastRunsOf(tx: Pick<Tx, 'db' | 'guard'>, account: Row<'account'>['id'], most: number) {
  return checked(
    tx.guard,
    'rotation_run',
    await tx.db
      .selectFrom('rotation_run')
      .selectAll()
      .where('account_id', '=', account)
      .where('ended_at', 'is not', null)
      .orderBy('created_at', 'desc')
      .limit(most)
      .execute(),
  )
}

export type Wanted = {
  readonly kind: Run['kind']
  readonly cause: RotationCause
  readonly askedBy: string
  readonly reason: string
  readonly despiteDependants?: boolean
  /** The task of the place that takes another account's secret. */
  readonly forTask?: Run['for_task']
  readonly batch?: { readonly id: string; readonly place: number }
}

/** Makes a run that waits. The caller holds the account's row, and has looked that none is open. */
export async function createRun(
  tx: Tx,
  account: Account,
  connector: string,
  wanted: Wanted,
  who: Who,
): Promise<Run> {
  const run = await insertGuarded(tx, 'rotation_run', {
    id: newId('rot', tx.now.getTime()),
    account_id: account.id,
    target_id: account.target_id,
    kind: wanted.kind,
    cause: wanted.cause,
    asked_by: wanted.askedBy,
    reason: wanted.reason,
    despite_dependants: wanted.despiteDependants ?? false,
    batch: wanted.batch?.id ?? null,
    place: wanted.batch?.place ?? null,
    connector,
    version: null,
    from_version: null,
    created_at: tx.now,
    begun_at: null,
    ended_at: null,
    phase: 'waiting',
    attempts: 0,
    believes: 'current',
    refused: [],
    reconciled: false,
    persisted: null,
    why: '',
    generation: 0,
    due_at: tx.now,
    step_until: null,
    for_task: wanted.forTask ?? null,
  })
  await tx.audit({
    kind: 'rotation.asked',
    rotation: run.id,
    cause: wanted.cause,
    what: wanted.kind,
    reason: wanted.reason,
    account: account.id,
    accountName: account.name,
    ...who,
  })
  return run
}

/** Seconds after its step's time within which a worker may still say what it saw. */
export const graceSeconds = 20

/**
 * When the time of the step that is out is over; undefined: none is out.
 *
 * INVARIANT: it is real time. Of two workers at one machine the second would find out what the first had not done yet.
 */
export function stepEndOf(
  tx: Pick<Tx, 'skippedSince'>,
  { connector, step_until: until }: Pick<Run, 'connector' | 'step_until'>,
): Date | undefined {
  if (until === null) return undefined
  const seconds = (connectorOf(connector)?.seconds ?? 0) + graceSeconds
  return new Date(until.getTime() + tx.skippedSince(new Date(until.getTime() - seconds * 1000)))
}

/** Is a worker at a step of a run? */
export function isStepOut(
  tx: Pick<Tx, 'now' | 'skippedSince'>,
  run: Pick<Run, 'connector' | 'step_until'>,
): boolean {
  const end = stepEndOf(tx, run)
  return end !== undefined && end > tx.now
}

export function stateOf(run: Run): RunState {
  return {
    phase: run.phase,
    attempts: run.attempts,
    believes: run.believes,
    refused: run.refused as RunState['refused'],
    reconciled: run.reconciled,
    persisted: run.persisted,
    why: run.why,
  }
}

/** Begins a run that people bring to an end: makes the candidate, and opens the task. The caller holds the account's row. */
export async function beginAssisted(
  tx: Tx,
  world: World,
  account: Account,
  run: Run,
  who: Who,
): Promise<Run> {
  const begun = await advance(tx, world, run, { kind: 'begin' }, who)
  if (begun === undefined) throw new Fault('internal', 'a run that was just made begins')
  await openTask(tx, account, begun, null)
  return begun
}

/** What can be done for a run: what its connector can, and whether an account that sets it right is named. */
export async function abilitiesOf(tx: Pick<Tx, 'db' | 'guard'>, run: Run): Promise<Abilities> {
  const entry = connectorOf(run.connector)
  const settings = await settingsRow(tx.db, tx.guard, run.account_id)
  // Of what people change a connector does no more than log in.
  if (run.kind === 'assist')
    return {
      ...{ tells: false, persists: false, retires: false, reconciles: false },
      ...{ isAssisted: true, logsIn: entry !== undefined },
    }
  // Asked once a run: what was told since it was asked for is of today.
  const told = settings?.told_at ?? null
  return {
    tells: entry?.tells === true && (told === null || told < run.created_at),
    persists: entry?.persists ?? false,
    retires: entry?.retires ?? false,
    reconciles: entry?.reconciles === true && (settings?.reconcile_account_id ?? null) !== null,
  }
}

const vault: Who = { actor: { kind: 'vault' } }

/**
 * Moves a run by what was seen, with all that follows from it: rows, audit entry, and who is told. Answers undefined where
 * the event has no place, and nothing was changed. The caller holds the account's row and the run's.
 *
 * INVARIANT: the candidate is durable with the very transition after which a target may hear of it.
 */
export async function advance(
  tx: Tx,
  world: World,
  run: Run,
  event: Event,
  who: Who = vault,
): Promise<Run | undefined> {
  const account = await readAccount(tx.db, tx.guard, run.account_id)
  if (account === undefined) throw new Fault('internal', 'the account of a run is missing')
  const following = await followingOf(tx, run, event)
  if (following === undefined) return undefined
  const staged = await doAll(tx, world, run, account, following)
  const { state, afterMs } = following
  const after = await updateGuarded(tx, 'rotation_run', run, {
    ...staged,
    ...{ phase: state.phase, attempts: state.attempts, believes: state.believes },
    ...{ refused: state.refused, reconciled: state.reconciled, persisted: state.persisted, why: state.why },
    step_until: null,
    due_at: new Date(tx.now.getTime() + afterMs),
    ended_at: isOver(state.phase) ? tx.now : null,
  })
  if (after.phase !== run.phase || isOver(after.phase))
    await tx.audit({
      kind: 'rotation.moved',
      rotation: run.id,
      from: run.phase,
      to: after.phase,
      version: after.version ?? 0,
      why: after.why,
      account: account.id,
      accountName: account.name,
      ...who,
    })
  if (following.effects.includes('page')) await page(tx, account, after)
  if (run.kind === 'assist' && isOver(after.phase))
    await closeTaskOf(tx, after, after.phase === 'done' ? 'done' : 'dropped')
  if (!isOver(after.phase)) tx.afterCommit(() => world.rotation.wake())
  return after
}

async function followingOf(tx: Tx, run: Run, event: Event): Promise<Next | undefined> {
  if (run.kind === 'verify') return nextOfCheck(stateOf(run), event, run.version !== null)
  return next(stateOf(run), event, await abilitiesOf(tx, run))
}

type Staged = Partial<Pick<Run, 'version' | 'from_version' | 'begun_at'>>

async function doAll(
  tx: Tx,
  world: World,
  run: Run,
  account: Account,
  { state, effects }: Next,
): Promise<Staged> {
  let staged: Staged = {}
  if (run.kind === 'verify') {
    if (run.phase !== 'waiting' || state.phase !== 'probing-current') return {}
    const current = await currentCredential(tx.db, tx.guard, account.id)
    const other = await otherVersionOf(tx, account, current?.version ?? 0)
    return { begun_at: tx.now, from_version: current?.version ?? null, version: other }
  }
  for (const effect of effects) staged = { ...staged, ...(await doOne(tx, world, run, account, effect)) }
  return staged
}

/** What a target may take that is not current: what a slow one was told last, or what was there before. */
async function otherVersionOf(tx: Tx, account: Account, current: number): Promise<number | null> {
  const rows = checked(
    tx.guard,
    'credential',
    await tx.db
      .selectFrom('credential')
      .selectAll()
      .where('account_id', '=', account.id)
      .where('state', 'in', ['retired', 'discarded'])
      .orderBy('version', 'desc')
      .limit(5)
      .execute(),
  )
  return rows.find(({ version }) => version !== current)?.version ?? null
}

async function doOne(tx: Tx, world: World, run: Run, account: Account, effect: Effect): Promise<Staged> {
  switch (effect) {
    case 'stage':
      return stage(tx, world, run, account)
    case 'promote':
      await promote(tx, account, run)
      await openPlaces(tx, account, run)
      return {}
    case 'discard':
      await setState(tx, run, run.version, 'discarded')
      return {}
    case 'page':
      return {}
  }
}

/** Makes the candidate and keeps it, before anybody hears of it. */
async function stage(tx: Tx, world: World, run: Run, account: Account): Promise<Staged> {
  const current = await currentCredential(tx.db, tx.guard, account.id)
  const makes = run.kind === 'assist' ? 'password' : connectorOf(run.connector)?.credential
  if (current === undefined || makes === undefined)
    throw new Fault('internal', 'a run begins with a credential and a connector')
  const latest = await tx.db
    .selectFrom('credential')
    .select((eb) => eb.fn.max('version').as('version'))
    .where('account_id', '=', account.id)
    .executeTakeFirst()
  const version = (latest?.version ?? 0) + 1
  const profile = makerOf(await settingsRow(tx.db, tx.guard, account.id))
  using made =
    run.for_task === null
      ? makes === 'password'
        ? madePassword(profile)
        : makeKey()
      : await copied(tx, world, run.for_task)
  await insertGuarded(tx, 'credential', {
    id: newId('crd', tx.now.getTime()),
    account_id: account.id,
    version,
    state: 'candidate',
    kind: makes,
    public_key: made.publicKey,
    created_by: run.id,
    created_at: tx.now,
  })
  await world.vault.secrets.put(
    tx,
    { safe: account.safe_id, account: account.id, version, field: made.field, kind: makes },
    made.secret,
  )
  return { version, from_version: current.version, begun_at: tx.now }
}

type Made = Disposable & {
  readonly field: 'password' | 'private-key'
  readonly secret: Secret
  readonly publicKey: string | null
}

function madePassword(profile: PasswordProfile | null | undefined): Made {
  if (profile === undefined || profile === null)
    throw new Fault('internal', 'a password is made by a profile')
  const secret = makePassword(profile)
  return { field: 'password', secret, publicKey: null, [Symbol.dispose]: () => secret[Symbol.dispose]() }
}

/** The secret of the account that a place is a copy of. */
async function copied(tx: Tx, world: World, id: TaskId): Promise<Made> {
  const task = await findTask(tx, id)
  const from = task === undefined ? undefined : await readAccount(tx.db, tx.guard, task.account_id)
  const credential = from === undefined ? undefined : await currentCredential(tx.db, tx.guard, from.id)
  if (from === undefined || credential?.kind !== 'password')
    throw new Fault('internal', 'what is carried to another place is a password')
  const { version, kind } = credential
  const place = { safe: from.safe_id, account: from.id, version, field: 'password', kind } as const
  const secret = await world.vault.secrets.take(place, tx)
  return { field: 'password', secret, publicKey: null, [Symbol.dispose]: () => secret[Symbol.dispose]() }
}

function makeKey(): Made {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const secret = new Secret(Buffer.from(pem))
  const parsed = secret.expose((bytes) => parsePrivateKey(bytes, undefined))
  if (!parsed.ok) throw new Fault('internal', 'a key that was just made is one')
  return {
    field: 'private-key',
    secret,
    publicKey: parsed.value.publicKey.blob.toString('base64'),
    [Symbol.dispose]: () => secret[Symbol.dispose](),
  }
}

async function promote(tx: Tx, account: Account, run: Run): Promise<void> {
  const current = await currentCredential(tx.db, tx.guard, account.id)
  if (current !== undefined) await updateGuarded(tx, 'credential', current, { state: 'retired' })
  await setState(tx, run, run.version, 'current')
}

async function setState(
  tx: Tx,
  run: Run,
  version: number | null,
  state: 'current' | 'discarded',
): Promise<void> {
  const row = await credentialOf(tx, run, version)
  if (row?.state === 'candidate') await updateGuarded(tx, 'credential', row, { state })
  else if (state === 'current') throw new Fault('internal', 'what is promoted is the candidate')
}

/** A version of the credential of a run's account, checked. */
export async function credentialOf(
  tx: Pick<Tx, 'db' | 'guard'>,
  run: Pick<Run, 'account_id'>,
  version: number | null,
): Promise<Row<'credential'> | undefined> {
  if (version === null) return undefined
  const row = checkedOne(
    tx.guard,
    'credential',
    await tx.db
      .selectFrom('credential')
      .selectAll()
      .where('account_id', '=', run.account_id)
      .where('version', '=', version)
      .executeTakeFirst(),
  )
  // SECURITY: none is ever deleted: of one that is gone the other would be sent to a machine that does not take it.
  if (row === undefined)
    tx.guard.checkWhole('credential', await tx.db.selectFrom('credential').select('id').execute())
  return row
}

/** Who looks after the safe, and the administrators, are told that they must look. */
async function page(tx: Tx, account: Account, run: Run): Promise<void> {
  await notify(
    tx,
    {
      kind: run.kind === 'verify' ? 'rotation.drift' : 'rotation.stuck',
      rotation: run.id,
      account: account.name,
      phase: run.phase,
    },
    async () => {
      const members = checked(
        tx.guard,
        'safe_member',
        await tx.db.selectFrom('safe_member').selectAll().where('safe_id', '=', account.safe_id).execute(),
      )
      const managers = members.filter((one) => one.permissions.includes('manage')).map((one) => one.user_id)
      return [...managers, ...((await orAlarm(tx, () => adminsOf(tx))) ?? [])]
    },
  )
}
