import { sql } from 'kysely'
import { mayHold } from '../access/check-out.ts'
import type { LeaseView, Role } from '../contract.ts'
import { findAccount } from '../accounts/account.ts'
import { owesNothing } from '../closeout/close-out.ts'
import { findUser } from '../identity/user.ts'
import type { Actor } from '../audit/entry.ts'
import { type AccountId, type LeaseId, newId, type SafeId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import { notify } from '../notifications/notify.ts'
import { notRotating } from '../rotation/interlock.ts'
import type { Row } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { sqlState, transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from '../vendors/standing.ts'
import { by, type Call, type Handler, nameOf, userOf } from '../world.ts'
import { grantsNow, isGlassBroken } from './let-in.ts'
import { endWait, waitsBefore, waitsFor } from './wait.ts'

/** Milliseconds for which an implicit lease is kept after the last session under it. */
export const implicitLinger = 60_000

type Wanted = {
  readonly account: { readonly id: AccountId; readonly name: string; readonly safe_id: SafeId }
  readonly user: { readonly id: UserId; readonly name: string; readonly roles: readonly Role[] }
  readonly exclusive: boolean
  /** When an explicit lease ends; null for an implicit one. */
  readonly until: Date | null
  /** Milliseconds for which an implicit one is kept before the first session. */
  readonly lingers?: number
  /** Comes before whoever waits: who broke the glass, and to whom it was handed over. */
  readonly passesQueue?: true
  /** Somebody broke the glass for it: no form keeps them waiting. */
  readonly breaksGlass?: boolean
}
type Who = { readonly actor: Actor; readonly source?: string }

/**
 * Takes an account's lease for a user, or joins the one that the user holds.
 *
 * INVARIANT: exclusive means one holder. The database keeps it by an exclusion constraint (migration 0012); the look
 * before only says who holds it. The caller holds the account's row lock, so that this look is rarely wrong.
 *
 * Whoever waits comes before whoever does not, and before whoever came later. Who owes a close-out takes nothing more in
 * its safe; who holds the account already goes on.
 */
export async function takeLease(tx: Tx, wanted: Wanted, who: Who): Promise<Outcome<Row<'lease'>>> {
  const still = await notRotating(tx, wanted.account)
  if (!still.ok) return still
  const held = await heldNow(tx, wanted.account.id)
  const others = held.filter((lease) => lease.user_id !== wanted.user.id)
  const own = held.find((lease) => lease.user_id === wanted.user.id)
  const wantsAll = wanted.exclusive || own?.exclusive === true
  const obstacle = others.find((lease) => lease.exclusive || wantsAll)
  if (obstacle !== undefined) return refuseHeld(wanted, obstacle, tx.now)
  // SECURITY: who joined it while its sessions are being ended would hold on to what was taken from them, and the log
  // would say that nobody does.
  if (own?.explicit === false && own.until !== null && own.until <= tx.now)
    return refuse(
      'held',
      `the account ${wanted.account.name} was checked in, and your sessions under it have not ended yet`,
      'close them, or wait until they are ended, then try again',
    )
  if (own === undefined && wanted.breaksGlass !== true) {
    const owes = await owesNothing(tx, wanted.user.id, wanted.account.safe_id)
    if (!owes.ok) return owes
  }
  const isMore = own === undefined || (wantsAll && !own.exclusive)
  const waits = isMore && wanted.passesQueue !== true ? await waitsFor(tx, wanted.account.id) : []
  const first = waitsBefore(waits, wanted.user.id, wantsAll)
  if (first !== undefined) return refuseQueued(tx, wanted, first)
  const taken = await (own === undefined ? insertLease(tx, wanted, who) : joinLease(tx, own, wanted, who))
  const served = waits.find((wait) => wait.user_id === wanted.user.id && (wantsAll || !wait.exclusive))
  if (taken.ok && served !== undefined) await endWait(tx, served, 'it was their turn, and they took it', who)
  return taken
}

/** Who holds an account now, locked; leases that are over are ended on the way. */
export async function heldNow(tx: Tx, account: AccountId): Promise<Awaited<ReturnType<typeof heldOf>>> {
  const held = await heldOf(tx, account)
  if (!held.some(({ until }) => until !== null && until <= tx.now)) return held
  await endDueLeases(tx, account)
  return heldOf(tx, account)
}

/** Locked, so that nobody checks in what is being joined. */
function heldOf(tx: Tx, account: AccountId) {
  return tx.db
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .selectAll('lease')
    .select('app_user.name as holder')
    .where('lease.account_id', '=', account)
    .where('lease.ended_at', 'is', null)
    .forUpdate('lease')
    .execute()
}

function refuseHeld(
  { account: { name: account }, user }: Wanted,
  lease: { readonly holder: string; readonly until: Date | null; readonly exclusive: boolean },
  now: Date,
): Outcome<never> {
  // SECURITY: who comes from outside learns that somebody is there, and nothing of who.
  if (user.roles.includes('vendor'))
    return refuse('held', `the account ${account} is in use`, 'wait, or ask whoever let you in')
  const until =
    lease.until === null || lease.until <= now
      ? 'until their last session ends'
      : `until ${lease.until.toISOString()}`
  return refuse(
    'held',
    `the account ${account} is held by ${lease.holder} ${until}`,
    `ask ${lease.holder} to check it in, or wait`,
  )
}

async function refuseQueued(tx: Tx, wanted: Wanted, first: Row<'lease_wait'>): Promise<Outcome<never>> {
  const { name } = wanted.account
  if (wanted.user.roles.includes('vendor'))
    return refuse('held', `the account ${name} is in use`, 'wait, or ask whoever let you in')
  const user = await findUser(tx.db, tx.guard, first.user_id)
  const kept = first.kept_until === null ? '' : ` until ${first.kept_until.toISOString()}`
  return refuse(
    'held',
    `the account ${name} is kept for ${user?.name ?? 'somebody'}${kept}, who waits for it`,
    `join the queue under My access, or with: tagout lease wait ${name}`,
  )
}

/** Ends a lease now, also under sessions: whoever does so has them cut. */
export async function giveUpLease(tx: Tx, lease: Row<'lease'>, why: string, who: Who): Promise<void> {
  await tx.db.updateTable('lease').set({ ended_at: tx.now }).where('id', '=', lease.id).execute()
  await auditEnd(tx, lease, why, who)
}

async function insertLease(tx: Tx, wanted: Wanted, who: Who): Promise<Outcome<Row<'lease'>>> {
  const row = await tx.db
    .insertInto('lease')
    .values({
      id: newId('lse', tx.now.getTime()),
      account_id: wanted.account.id,
      user_id: wanted.user.id,
      exclusive: wanted.exclusive,
      explicit: wanted.until !== null,
      claim: claimOf(wanted.exclusive),
      since: tx.now,
      until: wanted.lingers === undefined ? wanted.until : new Date(tx.now.getTime() + wanted.lingers),
      ended_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await tx.audit({
    kind: 'lease.taken',
    lease: row.id,
    exclusive: row.exclusive,
    explicit: row.explicit,
    ...(row.until === null ? {} : { until: row.until.toISOString() }),
    account: wanted.account.id,
    accountName: wanted.account.name,
    userName: wanted.user.name,
    ...who,
  })
  return done(row)
}

async function joinLease(
  tx: Tx,
  own: Row<'lease'>,
  wanted: Wanted,
  who: Who,
): Promise<Outcome<Row<'lease'>>> {
  const exclusive = own.exclusive || wanted.exclusive
  const explicit = own.explicit || wanted.until !== null
  const until = wanted.until ?? (own.explicit ? own.until : null)
  const isSame =
    exclusive === own.exclusive && explicit === own.explicit && until?.getTime() === own.until?.getTime()
  if (isSame) return done(own)
  const row = await tx.db
    .updateTable('lease')
    .set({
      exclusive,
      explicit,
      until,
      ...(exclusive === own.exclusive ? {} : { claim: claimOf(exclusive) }),
    })
    .where('id', '=', own.id)
    .returningAll()
    .executeTakeFirstOrThrow()
  if (exclusive !== own.exclusive || explicit !== own.explicit)
    await tx.audit({
      kind: 'lease.taken',
      lease: row.id,
      exclusive,
      explicit,
      ...(until === null ? {} : { until: until.toISOString() }),
      account: wanted.account.id,
      accountName: wanted.account.name,
      userName: wanted.user.name,
      ...who,
    })
  return done(row)
}

/** All of the account, or a place among those who share it that nobody else has. */
function claimOf(exclusive: boolean) {
  return exclusive
    ? sql<string>`int4range(0, null)`
    : sql<string>`(select int4range(place, place + 1) from (select nextval('lease_place')::integer) as next(place))`
}

/** Is this what the database says when two people take what one can hold? */
export function isHeldError(error: unknown): boolean {
  return sqlState(error) === '23P01'
}

/** Ends leases whose time has passed and under which nobody is connected: of one account, or all. */
export async function endDueLeases(tx: Tx, account?: AccountId): Promise<void> {
  let query = tx.db
    .updateTable('lease')
    .set({ ended_at: tx.now })
    .where('ended_at', 'is', null)
    .where('until', '<=', tx.now)
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('session')
            .select('session.id')
            .whereRef('session.lease_id', '=', 'lease.id')
            .where('session.state', '<>', 'ended'),
        ),
      ),
    )
  if (account !== undefined) query = query.where('account_id', '=', account)
  for (const lease of await query.returningAll().execute())
    await auditEnd(tx, lease, lease.explicit ? 'time is up' : 'its last session has ended', {
      actor: { kind: 'vault' },
    })
}

async function auditEnd(
  tx: Tx,
  lease: Row<'lease'>,
  why: string,
  who: Who & { readonly reason?: string },
): Promise<{ readonly user: string; readonly account: string }> {
  const names = await tx.db
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .innerJoin('account', 'account.id', 'lease.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select(['app_user.name as user', 'account.login', 'target.name as target'])
    .where('lease.id', '=', lease.id)
    .executeTakeFirst()
  const user = names?.user ?? ''
  const account = `${names?.target ?? ''}/${names?.login ?? ''}`
  await tx.audit({
    kind: 'lease.ended',
    lease: lease.id,
    why,
    account: lease.account_id,
    accountName: account,
    userName: user,
    ...who,
  })
  return { user, account }
}

/** The last session under a lease has ended: an implicit one ends a minute later, a checked-in one with it. */
export async function releaseLease(tx: Tx, lease: LeaseId): Promise<void> {
  const others = await tx.db
    .selectFrom('session')
    .select('id')
    .where('lease_id', '=', lease)
    .where('state', '<>', 'ended')
    .executeTakeFirst()
  if (others !== undefined) return
  await tx.db
    .updateTable('lease')
    .set({ until: new Date(tx.now.getTime() + implicitLinger) })
    .where('id', '=', lease)
    .where('explicit', '=', false)
    .where('until', 'is', null)
    .where('ended_at', 'is', null)
    .execute()
}

/**
 * Ends what a user holds: at once, or with the last of their sessions, which are cut meanwhile. Answers the leases.
 */
export async function endLeasesOf(tx: Tx, user: UserId, why: string, who: Who): Promise<readonly LeaseId[]> {
  const held = await tx.db
    .selectFrom('lease')
    .selectAll()
    .where('user_id', '=', user)
    .where('ended_at', 'is', null)
    .orderBy('id')
    .forUpdate()
    .execute()
  const connected = await sessionsUnder(
    tx.db,
    held.map(({ id }) => id),
  )
  for (const lease of held) {
    await tx.db
      .updateTable('lease')
      .set(connected.has(lease.id) ? { explicit: false, until: tx.now } : { ended_at: tx.now })
      .where('id', '=', lease.id)
      .execute()
    await auditEnd(tx, lease, why, who)
  }
  return held.map(({ id }) => id)
}

/** Checks an account out for a time, so that it is the user's also while they are not connected. */
export const leaseCheckOut: Handler<'lease.checkOut'> = async (call, input) => {
  const asking = userOf(call)
  const outcome = await catchHeld(() =>
    transact(call.world, async (tx) => {
      const account = await findAccount(tx.db, tx.guard, input.account, 'update')
      const user = await findUser(tx.db, tx.guard, asking.id)
      if (account === undefined || user === undefined)
        return refuse('forbidden', 'there is no such account, or no grant lets you use it', 'ask for a grant')
      const grants = await grantsNow(tx, user.id, account.id)
      const may = await mayHold(tx, call, user, account, grants)
      if (!may.ok) return may
      const one = await representationOf(tx.db, tx.guard, user)
      const longest = Math.min(
        may.value.until.getTime(),
        one?.company.contract_ends_at.getTime() ?? Number.POSITIVE_INFINITY,
      )
      const wanted = input.forSeconds === undefined ? longest : tx.now.getTime() + input.forSeconds * 1000
      const until = new Date(Math.min(longest, wanted))
      const exclusive = input.exclusive || may.value.exclusive
      const breaksGlass = await isGlassBroken(tx, grants)
      const lease = await takeLease(tx, { account, user, exclusive, until, breaksGlass }, by(call))
      if (!lease.ok) return lease
      const sessions = await sessionsUnder(tx.db, [lease.value.id])
      return done(viewLease(lease.value, account.name, user.name, sessions.get(lease.value.id) ?? 0))
    }),
  )
  return outcome
}

/** Turns the database's refusal of a second holder into ours. */
export async function catchHeld<T>(act: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    return await act()
  } catch (error) {
    if (!isHeldError(error)) throw error
    return refuse('held', 'somebody else has just taken this account', 'ask them to check it in, or wait')
  }
}

/** How many sessions under each of these leases have not ended. */
export async function sessionsUnder(
  db: Tx['db'] | Call['world']['vault']['database'],
  leases: readonly LeaseId[],
): Promise<ReadonlyMap<LeaseId, number>> {
  if (leases.length === 0) return new Map()
  const rows = await db
    .selectFrom('session')
    .select((eb) => ['lease_id', eb.fn.countAll<string>().as('count')])
    .where('lease_id', 'in', leases)
    .where('state', '<>', 'ended')
    .groupBy('lease_id')
    .execute()
  return new Map(rows.map((row) => [row.lease_id, Number(row.count)]))
}

/** A lease as people see it. */
export function viewLease(lease: Row<'lease'>, account: string, user: string, sessions: number): LeaseView {
  return {
    id: lease.id,
    account,
    user,
    exclusive: lease.exclusive,
    explicit: lease.explicit,
    since: lease.since.toISOString(),
    until: lease.until?.toISOString() ?? null,
    sessions,
  }
}

/**
 * Checks in. The holder keeps it while connected, and it then ends with their last session; checked in by somebody
 * else it ends now, and so do the sessions under it.
 */
export const leaseCheckIn: Handler<'lease.checkIn'> = async (call, { lease: id, reason = '' }) =>
  transact(call.world, async (tx) => {
    const lease = await tx.db
      .selectFrom('lease')
      .selectAll()
      .where('id', '=', id)
      .where('ended_at', 'is', null)
      .forUpdate()
      .executeTakeFirst()
    if (lease === undefined) return refuse('not_found', 'nobody holds this lease any more')
    const isOwn = call.principal.kind === 'user' && call.principal.id === lease.user_id
    if (!isOwn && reason === '')
      return refuse('invalid', 'reason: say why you take it from its holder', 'the holder is told')
    const { live } = call.world
    const connected = await tx.db
      .selectFrom('session')
      .select('id')
      .where('lease_id', '=', id)
      .where('state', '<>', 'ended')
      .executeTakeFirst()
    if (connected !== undefined) {
      // The lease outlives no session: it ends with the last one, which is at once where it is taken from somebody.
      await tx.db.updateTable('lease').set({ explicit: false, until: tx.now }).where('id', '=', id).execute()
      if (!isOwn)
        tx.afterCommit(() => {
          for (const session of live.where(({ lease: under }) => under === id))
            live.cut(session, {
              reason: 'terminated',
              message: `${whoText(nameOf(call))} checked in the account: ${reason}`,
            })
        })
    } else await tx.db.updateTable('lease').set({ ended_at: tx.now }).where('id', '=', id).execute()
    const why = isOwn ? 'checked in' : 'checked in by somebody else'
    const names = await auditEnd(tx, lease, why, { ...by(call), ...(reason === '' ? {} : { reason }) })
    if (!isOwn)
      await notify(tx, { kind: 'lease.taken-back', lease: id, ...names, by: nameOf(call) }, [lease.user_id])
    return done(null)
  })

export const leaseList: Handler<'lease.list'> = async (call: Call) => {
  const sight = await sightOf(call)
  let query = call.world.vault.database
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .innerJoin('account', 'account.id', 'lease.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('lease')
    .select(['app_user.name as user_name', 'account.login', 'target.name as target_name'])
    .where('lease.ended_at', 'is', null)
    .orderBy('lease.since')
    .limit(10_000)
  if (!sight.all) {
    const safes = sight.safesWith('approve')
    query = query.where((eb) =>
      eb.or([
        eb('lease.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('account.safe_id', 'in', safes)]),
      ]),
    )
  }
  const rows = await query.execute()
  const sessions = await sessionsUnder(
    call.world.vault.database,
    rows.map(({ id }) => id),
  )
  return done(
    rows.map((row) =>
      viewLease(row, `${row.target_name}/${row.login}`, row.user_name, sessions.get(row.id) ?? 0),
    ),
  )
}
