import { sql } from 'kysely'
import { mayHold } from '../access/check-out.ts'
import { findAccount, readAccount } from '../accounts/account.ts'
import type { WaitView } from '../contract.ts'
import { findUser } from '../identity/user.ts'
import { isForged } from '../kernel/fault.ts'
import { type AccountId, newId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { notify } from '../notifications/notify.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from '../vendors/standing.ts'
import { by, type Handler, nameOf, userOf, type World } from '../world.ts'
import { heldNow } from './lease.ts'
import { grantsNow, isLetIn } from './let-in.ts'
import { endWait, isOver, keptFor, waitRef, waitsBefore, waitsFor } from './wait.ts'

/** Milliseconds for which somebody waits at most. */
const longestWait = 12 * 3600_000
/** How many accounts one person may wait for. */
const mostWaits = 20

/**
 * Joins the queue for an account that others hold, or that others wait for.
 *
 * INVARIANT: places come from a sequence, taken under the lock of the account: who came first is first, whatever clocks
 * and restarts do.
 */
export const leaseWait: Handler<'lease.wait'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const asking = userOf(call)
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    const user = await findUser(tx.db, tx.guard, asking.id)
    if (account === undefined || user === undefined)
      return refuse('forbidden', 'there is no such account, or no grant lets you use it', 'ask for a grant')
    const may = await mayHold(tx, call, user, account, await grantsNow(tx, user.id, account.id))
    if (!may.ok) return may
    const exclusive = input.exclusive === true || may.value.exclusive
    const held = await heldNow(tx, account.id)
    const own = held.find((lease) => lease.user_id === user.id)
    if (own !== undefined && (own.exclusive || !exclusive))
      return refuse('conflict', `you hold ${account.name} already`, 'connect from My access')
    const waits = await waitsFor(tx, account.id)
    if (waits.some((wait) => wait.user_id === user.id))
      return refuse('conflict', `you wait for ${account.name} already`, 'see: tagout lease queue')
    const isHeld = held.some((lease) => lease.user_id !== user.id && (lease.exclusive || exclusive))
    if (!isHeld && waitsBefore(waits, user.id, exclusive) === undefined)
      return refuse('conflict', `${account.name} is free`, 'check it out, or connect')
    const { count } = await tx.db
      .selectFrom('lease_wait')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('user_id', '=', user.id)
      .where('ended_at', 'is', null)
      .executeTakeFirstOrThrow()
    if (count >= mostWaits)
      return refuse('rate_limited', `you wait for ${mostWaits} accounts`, 'leave one of the queues first')
    const contract = (await representationOf(tx.db, tx.guard, user))?.company.contract_ends_at
    const { place } = await tx.db
      .selectNoFrom(sql<number>`nextval('lease_wait_place')::integer`.as('place'))
      .executeTakeFirstOrThrow()
    const row = await insertGuarded(tx, 'lease_wait', {
      id: newId('wai', tx.now.getTime()),
      account_id: account.id,
      user_id: user.id,
      exclusive,
      place,
      since: tx.now,
      until: new Date(
        Math.min(
          tx.now.getTime() + longestWait,
          may.value.until.getTime(),
          contract?.getTime() ?? Number.POSITIVE_INFINITY,
        ),
      ),
      kept_until: null,
      ended_at: null,
      ended_why: null,
    })
    await tx.audit({ kind: 'lease.wait-begun', exclusive, ...(await waitRef(tx, row)), ...by(call) })
    const isVendor = user.roles.includes('vendor')
    return done({
      ...viewWait(row, account.name, user.name),
      place: isVendor ? null : waits.length + 1,
      heldBy: isVendor ? [] : held.filter((lease) => lease.user_id !== user.id).map(viewHolder),
    })
  })

function viewWait(row: Row<'lease_wait'>, account: string, user: string) {
  return {
    id: row.id,
    account,
    user,
    exclusive: row.exclusive,
    since: row.since.toISOString(),
    until: row.until.toISOString(),
    keptUntil: row.kept_until?.toISOString() ?? null,
  }
}

function viewHolder({
  holder,
  exclusive,
  until,
}: {
  readonly holder: string
  readonly exclusive: boolean
  readonly until: Date | null
}): WaitView['heldBy'][number] {
  return { user: holder, exclusive, until: until?.toISOString() ?? null }
}

/** Leaves the queue: one's own place, or somebody else's by who may check their lease in. */
export const leaseLeave: Handler<'lease.leave'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = checkedOne(
      tx.guard,
      'lease_wait',
      await tx.db
        .selectFrom('lease_wait')
        .selectAll()
        .where('id', '=', input.wait)
        .where('ended_at', 'is', null)
        .forUpdate()
        .executeTakeFirst(),
    )
    if (row === undefined)
      return refuse('not_found', 'nobody waits at this place any more', 'see: tagout lease queue')
    const isOwn = call.principal.kind === 'user' && call.principal.id === row.user_id
    const { userName, accountName } = await endWait(
      tx,
      row,
      isOwn ? 'they left the queue' : `taken out of the queue by ${nameOf(call)}`,
      by(call),
    )
    if (!isOwn)
      await notify(tx, { kind: 'lease.passed-over', user: userName, account: accountName }, [row.user_id])
    return done(null)
  })

/** Who waits for what, account by account in their order. */
export const leaseQueue: Handler<'lease.queue'> = async (call) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  const rows = await database
    .selectFrom('lease_wait')
    .innerJoin('app_user', 'app_user.id', 'lease_wait.user_id')
    .innerJoin('account', 'account.id', 'lease_wait.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('lease_wait')
    .select(['app_user.name as user_name', 'account.login', 'account.safe_id', 'target.name as target_name'])
    .where('lease_wait.ended_at', 'is', null)
    .orderBy('target.name')
    .orderBy('account.login')
    .orderBy('lease_wait.place')
    .limit(10_000)
    .execute()
  checked(guard, 'lease_wait', rows)
  const now = clock()
  const waiting = rows.filter((row) => !isOver(row, now))
  const safes = sight.all ? [] : sight.safesWith('approve')
  const seen = waiting.filter((row) => sight.all || row.user_id === sight.user || safes.includes(row.safe_id))
  const held =
    seen.length === 0
      ? []
      : await database
          .selectFrom('lease')
          .innerJoin('app_user', 'app_user.id', 'lease.user_id')
          .selectAll('lease')
          .select('app_user.name as holder')
          .where('lease.ended_at', 'is', null)
          .where(
            'lease.account_id',
            'in',
            seen.map((row) => row.account_id),
          )
          .orderBy('lease.since')
          .execute()
  // SECURITY: who comes from outside is told of nobody: neither who is before them, nor how many.
  const isVendor = !sight.all && sight.isVendor
  return done(
    seen.map((row): WaitView => {
      const queue = waiting.filter((one) => one.account_id === row.account_id)
      return {
        ...viewWait(row, `${row.target_name}/${row.login}`, row.user_name),
        place: isVendor ? null : queue.indexOf(row) + 1,
        heldBy: isVendor
          ? []
          : held
              .filter((lease) => lease.account_id === row.account_id && lease.user_id !== row.user_id)
              .map(viewHolder),
      }
    }),
  )
}

/** Keeps accounts that have come free for whose turn it is, and tells them. Called each second. */
export async function offerTurns(world: World): Promise<void> {
  const { database, isSealed } = world.vault
  if (isSealed) return
  const queues = await database
    .selectFrom('lease_wait')
    .select('account_id')
    .distinct()
    .where('ended_at', 'is', null)
    .execute()
  for (const { account_id } of queues)
    try {
      await world.vault.inTransaction((tx) => offerTurn(tx, account_id))
    } catch (error) {
      // SECURITY: a forged place holds up its own account's queue, and no other.
      if (!isForged(error)) throw error
      world.onFault('queue', error)
    }
}

async function offerTurn(tx: Tx, id: AccountId): Promise<void> {
  const account = await readAccount(tx.db, tx.guard, id, 'update')
  if (account === undefined) return
  const held = await heldNow(tx, id)
  const before: Row<'lease_wait'>[] = []
  for (const wait of await waitsFor(tx, id)) {
    const isFree =
      account.removed_at === null &&
      !held.some((lease) => lease.user_id !== wait.user_id && (lease.exclusive || wait.exclusive)) &&
      waitsBefore([...before, wait], wait.user_id, wait.exclusive) === undefined
    if (isFree && wait.kept_until === null) {
      const user = await findUser(tx.db, tx.guard, wait.user_id)
      if (user === undefined || !(await isLetIn(tx, user, id))) {
        await endWait(tx, wait, 'they may not use it any more', { actor: { kind: 'vault' } })
        continue
      }
      const until = new Date(tx.now.getTime() + keptFor)
      await updateGuarded(tx, 'lease_wait', wait, { kept_until: until })
      const ref = await waitRef(tx, wait)
      await tx.audit({
        kind: 'lease.kept',
        until: until.toISOString(),
        ...ref,
        actor: { kind: 'vault' },
      })
      await notify(
        tx,
        { kind: 'lease.kept', user: ref.userName, account: ref.accountName, until: until.toISOString() },
        [wait.user_id],
      )
    }
    // Somebody broke the glass meanwhile, or came back to what they share: it is not their turn yet.
    if (!isFree && wait.kept_until !== null) await updateGuarded(tx, 'lease_wait', wait, { kept_until: null })
    before.push(wait)
  }
}
