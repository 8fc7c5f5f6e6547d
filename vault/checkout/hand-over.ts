import { mayHold } from '../access/check-out.ts'
import { readAccount } from '../accounts/account.ts'
import type { HandOverView } from '../contract.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { whySame } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { isForged } from '../kernel/fault.ts'
import { type HandOverId, newId, type UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notify } from '../notifications/notify.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from '../vendors/standing.ts'
import { by, type Call, type Handler, userOf, type World } from '../world.ts'
import { catchHeld, giveUpLease, implicitLinger, sessionsUnder, takeLease, viewLease } from './lease.ts'
import { grantsNow, isGlassBroken, isLetIn } from './let-in.ts'
import { endWaitsOf } from './wait.ts'

/** Milliseconds for which a colleague may take what was offered. */
const offerLives = 15 * 60_000

const gone = refuse('conflict', 'this hand-over is over', 'see what is offered now: tagout lease hand-overs')

/** Offers one's own lease to a colleague. It stays one's own until they take it. */
export const handoverOffer: Handler<'handover.offer'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const lease = await lockLease(tx, input.lease)
    if (lease?.user_id !== asking.id)
      return refuse('conflict', 'you do not hold this lease any more', 'see: tagout lease list')
    const account = await readAccount(tx.db, tx.guard, lease.account_id)
    const from = await findUser(tx.db, tx.guard, asking.id)
    const to = await findUser(tx.db, tx.guard, input.user)
    if (to?.id === asking.id)
      return refuse('invalid', 'user: you hold it already', 'name the colleague who takes it over')
    // SECURITY: unknown, not let in, and of another company read alike.
    const isFitting =
      to !== undefined && from !== undefined && (await areColleagues(tx, from, to)) && account !== undefined
    if (!isFitting || !(await isLetIn(tx, to, account.id)))
      return refuse(
        'forbidden',
        `user: ${input.user} is nobody who may use ${account?.name ?? 'it'}`,
        'name a colleague who has access of their own, or have them request it first',
      )
    const alias = await whySame(tx.db, tx.guard, asking.id, to.id)
    if (alias !== undefined)
      return refuse(
        'invalid',
        `user: ${to.name} is you: ${alias}`,
        'name the colleague who takes it over; one’s own other user waits in the queue',
      )
    const [open] = await openOf(tx, lease)
    if (open !== undefined) {
      const other = await findUser(tx.db, tx.guard, open.to_user_id)
      return refuse(
        'conflict',
        `you have offered it to ${other?.name ?? 'somebody'} already`,
        'wait for the answer, or withdraw it first',
      )
    }
    const row = await insertGuarded(tx, 'hand_over', {
      id: newId('hov', tx.now.getTime()),
      lease_id: lease.id,
      account_id: lease.account_id,
      from_user_id: asking.id,
      to_user_id: to.id,
      created_at: tx.now,
      expires_at: new Date(tx.now.getTime() + offerLives),
      state: 'offered',
      closed_at: null,
      to_lease_id: null,
    })
    const ref = await handOverRef(tx, row)
    const expiresAt = row.expires_at.toISOString()
    await tx.audit({ kind: 'handover.offered', expiresAt, ...ref, ...by(call) })
    await notify(tx, { kind: 'handover.offered', expiresAt, ...aboutOf(ref) }, [to.id])
    return done(viewHandOver(row, lease, ref))
  })

/** May one hand something to the other? Whoever comes from outside hands to, and takes from, their own company alone. */
async function areColleagues(tx: Tx, one: Row<'app_user'>, other: Row<'app_user'>): Promise<boolean> {
  if (!one.roles.includes('vendor') && !other.roles.includes('vendor')) return true
  const companies = await Promise.all(
    [one, other].map(async (user) => (await representationOf(tx.db, tx.guard, user))?.company.id),
  )
  return companies[0] !== undefined && companies[0] === companies[1]
}

/** The offers of a lease that stand; those whose time is up are ended on the way. */
async function openOf(tx: Tx, lease: Pick<Row<'lease'>, 'id'>): Promise<readonly Row<'hand_over'>[]> {
  const rows = checked(
    tx.guard,
    'hand_over',
    await tx.db
      .selectFrom('hand_over')
      .selectAll()
      .where('lease_id', '=', lease.id)
      .where('state', '=', 'offered')
      .forUpdate()
      .execute(),
  )
  for (const row of rows) if (row.expires_at <= tx.now) await expire(tx, row)
  return rows.filter((row) => row.expires_at > tx.now)
}

/**
 * A lease that is still held, with the lock of its account before its own: the order of whoever takes one.
 *
 * SECURITY: one that was checked in, or whose time is up, stands only until its sessions have ended: whoever waits is
 * next, and nobody else.
 */
async function lockLease(tx: Tx, id: Row<'lease'>['id']): Promise<Row<'lease'> | undefined> {
  const found = await tx.db.selectFrom('lease').select('account_id').where('id', '=', id).executeTakeFirst()
  if (found === undefined) return undefined
  await readAccount(tx.db, tx.guard, found.account_id, 'update')
  return tx.db
    .selectFrom('lease')
    .selectAll()
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .where((eb) => eb.or([eb('until', 'is', null), eb('until', '>', tx.now)]))
    .forUpdate()
    .executeTakeFirst()
}

async function readHandOver(tx: Tx, id: HandOverId): Promise<Row<'hand_over'> | undefined> {
  return checkedOne(
    tx.guard,
    'hand_over',
    await tx.db.selectFrom('hand_over').selectAll().where('id', '=', id).executeTakeFirst(),
  )
}

async function lockHandOver(tx: Tx, id: HandOverId): Promise<Row<'hand_over'> | undefined> {
  const row = checkedOne(
    tx.guard,
    'hand_over',
    await tx.db.selectFrom('hand_over').selectAll().where('id', '=', id).forUpdate().executeTakeFirst(),
  )
  return row?.state === 'offered' && row.expires_at > tx.now ? row : undefined
}

/**
 * Takes a lease over. In one transaction the one lease ends and the other begins: nobody comes between, and who waits
 * goes on waiting. The sessions of who held it are cut.
 *
 * SECURITY: the colleague proves themself, and is let in by their own grant or rule, as if they checked it out.
 */
export const handoverAccept: Handler<'handover.accept'> = async (call, input) =>
  catchHeld(() =>
    transact(call.world, async (tx) => {
      const asking = userOf(call)
      const code = await takeFreshCode(tx, call, input.totpCode)
      if (!code.ok) return code
      const seen = await readHandOver(tx, input.handOver)
      if (seen?.to_user_id !== asking.id)
        return refuse('forbidden', 'this was offered to somebody else', 'ask them to offer it to you')
      // The account before the hand-over: the order of whoever offers one.
      const lease = await lockLease(tx, seen.lease_id)
      const row = await lockHandOver(tx, input.handOver)
      if (row === undefined || lease?.user_id !== row.from_user_id) return gone
      const account = await readAccount(tx.db, tx.guard, row.account_id)
      const user = await findUser(tx.db, tx.guard, asking.id)
      const from = await findUser(tx.db, tx.guard, row.from_user_id)
      if (account === undefined || account.removed_at !== null || user === undefined || from === undefined)
        return gone
      if (!(await areColleagues(tx, from, user))) return gone
      const alias = await whySame(tx.db, tx.guard, from.id, user.id)
      if (alias !== undefined)
        return refuse('conflict', `${from.name} is you: ${alias}`, 'have it handed to another person')
      const grants = await grantsNow(tx, user.id, account.id)
      const may = await mayHold(tx, call, user, account, grants)
      if (!may.ok) return may
      const one = await representationOf(tx.db, tx.guard, user)
      const longest = Math.min(
        may.value.until.getTime(),
        one?.company.contract_ends_at.getTime() ?? Number.POSITIVE_INFINITY,
      )
      const connected = (await sessionsUnder(tx.db, [lease.id])).get(lease.id) ?? 0
      await giveUpLease(tx, lease, `handed over to ${user.name}`, by(call))
      const taken = await takeLease(
        tx,
        {
          account,
          user,
          exclusive: lease.exclusive || may.value.exclusive,
          // What stood on sessions alone is kept until they have had time to connect.
          ...(lease.explicit && lease.until !== null
            ? { until: new Date(Math.min(longest, lease.until.getTime())) }
            : { until: null, lingers: 5 * implicitLinger }),
          passesQueue: true,
          breaksGlass: await isGlassBroken(tx, grants),
        },
        by(call),
      )
      if (!taken.ok) return taken
      await endWaitsOf(tx, user.id, 'it was handed over to them', by(call), account.id)
      await updateGuarded(tx, 'hand_over', row, {
        state: 'accepted',
        closed_at: tx.now,
        to_lease_id: taken.value.id,
      })
      const ref = await handOverRef(tx, row)
      await tx.audit({
        kind: 'handover.accepted',
        toLease: taken.value.id,
        sessions: connected,
        ...ref,
        ...by(call),
      })
      await notify(tx, { kind: 'handover.ended', how: 'accepted', ...aboutOf(ref) }, [row.from_user_id])
      tx.afterCommit(() => {
        const { live } = call.world
        for (const session of live.where(({ lease: under }) => under === lease.id))
          live.cut(session, {
            reason: 'terminated',
            message: `you handed ${account.name} over to ${user.name}`,
          })
      })
      const sessions = await sessionsUnder(tx.db, [taken.value.id])
      return done(viewLease(taken.value, account.name, user.name, sessions.get(taken.value.id) ?? 0))
    }),
  )

/** Declines what was offered, or takes one's own offer back. */
export const handoverEnd: Handler<'handover.end'> = async (call: Call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const row = await lockHandOver(tx, input.handOver)
    if (row === undefined) return gone
    const isOwn = row.from_user_id === asking.id
    if (!isOwn && row.to_user_id !== asking.id) return refuse('forbidden', 'this hand-over is between others')
    const how = isOwn ? 'withdrawn' : 'declined'
    await updateGuarded(tx, 'hand_over', row, { state: how, closed_at: tx.now })
    const ref = await handOverRef(tx, row)
    await tx.audit({ kind: 'handover.ended', how, ...ref, ...by(call) })
    if (how === 'declined')
      await notify(tx, { kind: 'handover.ended', how, ...aboutOf(ref) }, [row.from_user_id])
    return done(null)
  })

/** What is offered now: by oneself and to oneself; all of it for who sees who holds what. */
export const handoverList: Handler<'handover.list'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  const rows = await database
    .selectFrom('hand_over')
    .innerJoin('lease', 'lease.id', 'hand_over.lease_id')
    .innerJoin('account', 'account.id', 'hand_over.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .innerJoin('app_user as giver', 'giver.id', 'hand_over.from_user_id')
    .innerJoin('app_user as taker', 'taker.id', 'hand_over.to_user_id')
    .selectAll('hand_over')
    .select([
      'lease.exclusive',
      'account.login',
      'account.safe_id',
      'target.name as target_name',
      'giver.name as from_name',
      'taker.name as to_name',
    ])
    .where('hand_over.state', '=', 'offered')
    .where('hand_over.expires_at', '>', clock())
    .where('lease.ended_at', 'is', null)
    .orderBy('hand_over.id')
    .limit(10_000)
    .execute()
  checked(guard, 'hand_over', rows)
  const safes = sight.all ? [] : sight.safesWith('approve')
  const isTheirs = (row: (typeof rows)[number], user: UserId) =>
    row.from_user_id === user || row.to_user_id === user
  return done(
    rows
      .filter((row) => sight.all || isTheirs(row, sight.user) || safes.includes(row.safe_id))
      .map((row) =>
        viewHandOver(row, row, {
          accountName: `${row.target_name}/${row.login}`,
          userName: row.from_name,
          toName: row.to_name,
        }),
      ),
  )
}

function viewHandOver(
  row: Row<'hand_over'>,
  { exclusive }: { readonly exclusive: boolean },
  names: { readonly accountName: string; readonly userName: string; readonly toName: string },
): HandOverView {
  return {
    id: row.id,
    lease: row.lease_id,
    account: names.accountName,
    from: names.userName,
    to: names.toName,
    exclusive,
    createdAt: row.created_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  }
}

/** How the audit log names a hand-over: both people. */
async function handOverRef(tx: Tx, row: Row<'hand_over'>) {
  const from = await findUser(tx.db, tx.guard, row.from_user_id)
  const to = await findUser(tx.db, tx.guard, row.to_user_id)
  const account = await readAccount(tx.db, tx.guard, row.account_id)
  return {
    handOver: row.id,
    lease: row.lease_id,
    account: row.account_id,
    accountName: account?.name ?? '',
    from: row.from_user_id,
    userName: from?.name ?? '',
    to: row.to_user_id,
    toName: to?.name ?? '',
  }
}

function aboutOf(ref: Awaited<ReturnType<typeof handOverRef>>) {
  return { handOver: ref.handOver, user: ref.userName, account: ref.accountName, to: ref.toName }
}

async function expire(tx: Tx, row: Row<'hand_over'>): Promise<void> {
  await updateGuarded(tx, 'hand_over', row, { state: 'expired', closed_at: row.expires_at })
  const ref = await handOverRef(tx, row)
  await tx.audit({ kind: 'handover.ended', how: 'expired', ...ref, actor: { kind: 'vault' } })
  await notify(tx, { kind: 'handover.ended', how: 'expired', ...aboutOf(ref) }, [row.from_user_id])
}

/** Writes down which offers nobody took in time. */
export async function expireHandOvers(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const due = await database
    .selectFrom('hand_over')
    .select('lease_id')
    .where('state', '=', 'offered')
    .where('expires_at', '<=', clock())
    .limit(100)
    .execute()
  for (const { lease_id } of due)
    try {
      await world.vault.inTransaction((tx) => openOf(tx, { id: lease_id }))
    } catch (error) {
      // SECURITY: a forged offer holds up its own lease's, and no other.
      if (!isForged(error)) throw error
      world.onFault('hand-over', error)
    }
}
