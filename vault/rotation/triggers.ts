import { sql } from 'kysely'
import { readAccount } from '../accounts/account.ts'
import { overdueAccounts } from '../accounts/exposures.ts'
import type { RotationCause } from '../contract.ts'
import type { AccountId } from '../kernel/id.ts'
import { openedByKits } from '../kits/view.ts'
import { isDatabaseAway } from '../transact.ts'
import type { World } from '../world.ts'
import { forgetPlaces } from './budget.ts'
import { obstaclesOf } from './obstacles.ts'
import { carryToAccounts } from './carry.ts'
import { nextOfSchedule } from './schedule.ts'
import { advance, beginAssisted, createRun, findRun, isStepOut, pastRunsOf } from './run.ts'
import { kindOf, settingsRow } from './settings.ts'

/** Milliseconds between two looks at what is due by itself. */
const lookMs = 5_000
/** Milliseconds for which an account is left alone after a rotation of it failed by itself. */
const restMs = 6 * 3600_000
/** Runs that are made in one look: the next one makes more. */
const mostAtOnce = 500

/**
 * Makes runs of what is due by itself: of credentials that are too old, were checked in, revealed, or seen by somebody who
 * has left. All of it is read from what is there: nothing that happened while nobody looked is lost.
 */
export async function startDueRotations(world: World): Promise<void> {
  if (world.vault.isSealed) return
  const now = world.vault.clock().getTime()
  const { looks } = world.rotation
  if (now - looks.due < lookMs) return
  looks.due = now
  if (now - looks.forgotten > 3600_000) {
    looks.forgotten = now
    await world.vault.inTransaction((tx) => forgetPlaces(tx))
  }
  await takeUpLost(world)
  await carryToAccounts(world)
  for (const { account, cause } of await dueNow(world))
    await alone(world, account, () => startOne(world, account, cause))
}

/** SECURITY: each by itself: a row that somebody forged keeps its own account from being rotated, and no other. */
async function alone(world: World, account: AccountId, act: () => Promise<void>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (isDatabaseAway(error)) throw error
    world.onFault(`the rotation of ${account}`, error)
  }
}

/** Steps of which nobody has said what came of them: their runs go on without it. */
async function takeUpLost(world: World): Promise<void> {
  const rows = await world.vault.database
    .selectFrom('rotation_run')
    .select(['id', 'account_id'])
    .where('ended_at', 'is', null)
    .where('step_until', '<=', world.vault.clock())
    .limit(mostAtOnce)
    .execute()
  for (const { id, account_id } of rows)
    await alone(world, account_id, () =>
      world.vault.inTransaction(async (tx) => {
        await readAccount(tx.db, tx.guard, account_id, 'update')
        const run = await findRun(tx, id, 'update')
        if (run !== undefined && run.step_until !== null && !isStepOut(tx, run))
          await advance(tx, world, run, { kind: 'lost' })
      }),
    )
}

type Due = { readonly account: AccountId; readonly cause: RotationCause }

/** Candidates, from rows that are looked at again before anything is made of them. */
async function dueNow(world: World): Promise<readonly Due[]> {
  const { database, guard, clock } = world.vault
  const now = clock()
  const found = await sql<{ account: AccountId; cause: RotationCause }>`
    select account, cause from (select s.account_id as account,
      case
        when s.max_age_days is not null and c.created_at + make_interval(days => s.max_age_days) <= ${now} then 'age'
        -- Who sets it by hand has seen it, of course.
        when s.after_reveal and exists (
          select from exposure e where e.account_id = s.account_id and e.version = c.version
            and not exists (select from rotation_task t where t.account_id = s.account_id
              and t.changer_id = e.user_id and t.revealed_at = e.at)) then 'reveal'
        when s.after_check_in and exists (
          select from lease l where l.account_id = s.account_id and l.ended_at > c.created_at) then 'check-in'
      end as cause
    from account_rotation s
    join account a on a.id = s.account_id and a.removed_at is null
    join credential c on c.account_id = s.account_id and c.state = 'current'
    where (s.grade = 'G3' or (s.connector is not null and s.grade in ('G1', 'G2'))) and not s.essential
      and not exists (select from rotation_run r where r.account_id = s.account_id and r.ended_at is null)
    ) found
    -- What stands in the way of some for long must not keep the others from being looked at: in no order.
    where cause is not null order by random()
    limit ${mostAtOnce}`.execute(database)
  const due = [...found.rows, ...(await scheduledNow(world, now))]
  const known = new Set(due.map(({ account }) => account))
  const exposed = new Set<AccountId>()
  const fault = (of: string, error: unknown) => {
    if (isDatabaseAway(error)) throw error
    world.onFault(`the rotation of ${of}`, error)
  }
  for (const one of await overdueAccounts(database, guard, now, fault)) exposed.add(one)
  for (const one of await openedNow(world, now).catch((error: unknown) => fault('opened kits', error) ?? []))
    exposed.add(one)
  return [
    ...due,
    ...[...exposed]
      .filter((one) => !known.has(one))
      .map((account) => ({ account, cause: 'exposure' as const })),
  ]
}

/** What a schedule has come for since the credential was made. */
async function scheduledNow({ vault: { database } }: World, now: Date): Promise<readonly Due[]> {
  const rows = await database
    .selectFrom('account_rotation')
    .innerJoin('account', 'account.id', 'account_rotation.account_id')
    .innerJoin('credential', 'credential.account_id', 'account.id')
    .select(['account.id', 'schedule', 'schedule_zone', 'credential.created_at'])
    .where('schedule', 'is not', null)
    .where('essential', '=', false)
    .where('account.removed_at', 'is', null)
    .where('credential.state', '=', 'current')
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('rotation_run')
            .select('rotation_run.id')
            .whereRef('rotation_run.account_id', '=', 'account.id')
            .where('ended_at', 'is', null),
        ),
      ),
    )
    .execute()
  return rows
    .filter(({ schedule, schedule_zone, created_at }) => {
      const at =
        schedule === null || schedule_zone === null
          ? null
          : nextOfSchedule(schedule, schedule_zone, created_at)
      return at !== null && at <= now
    })
    .map(({ id }) => ({ account: id, cause: 'schedule' }))
}

/** What was in an emergency kit that was opened was seen as well: accounts that a machine can change. */
async function openedNow({ vault: { database, guard } }: World, now: Date): Promise<readonly AccountId[]> {
  const opened = (await openedByKits(database, guard)).filter(({ dueAt }) => dueAt <= now)
  if (opened.length === 0) return []
  const rows = await database
    .selectFrom('account_rotation')
    .select('account_id')
    .where('connector', 'is not', null)
    .execute()
  const known = new Set(rows.map(({ account_id }) => account_id))
  return opened.map(({ account }) => account).filter((one) => known.has(one))
}

async function startOne(world: World, id: AccountId, cause: RotationCause): Promise<void> {
  await world.vault.inTransaction(async (tx) => {
    const account = await readAccount(tx.db, tx.guard, id, 'update')
    const settings = await settingsRow(tx.db, tx.guard, id)
    if (account === undefined || account.removed_at !== null || settings === undefined) return
    if (settings.essential || settings.grade === 'G0' || settings.grade === 'G4') return
    const kind = kindOf(settings)
    if (settings.connector === null && kind === 'rotate') return
    const [last] = await pastRunsOf(tx, id, 1)
    const isResting =
      last !== undefined &&
      last.kind !== 'verify' &&
      last.phase !== 'done' &&
      tx.now.getTime() - (last.ended_at?.getTime() ?? 0) < restMs
    if (isResting) return
    const asked = { byHand: false, despiteDependants: false, kind, run: null } as const
    // What never goes away by itself would be asked for at each look: it is shown where the account is.
    if ((await obstaclesOf(tx, account, asked)).some(({ until }) => until === null)) return
    const run = await createRun(
      tx,
      account,
      settings.connector ?? '',
      { kind, cause, askedBy: 'vault', reason: '' },
      { actor: { kind: 'vault' } },
    )
    if (kind === 'assist') await beginAssisted(tx, world, account, run, { actor: { kind: 'vault' } })
    tx.afterCommit(() => world.rotation.wake())
  })
}
