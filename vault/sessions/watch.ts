import { randomBytes } from 'node:crypto'
import type { RedeemedTicket } from '../contract.ts'
import { findUser } from '../identity/user.ts'
import type { LoginId, SessionId, UserId, WatchId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Peer } from '../kernel/rpc.ts'
import { decide } from '../policy/decide.ts'
import type { Principal } from '../policy/facts.ts'
import { relations } from '../relations.ts'
import { checkedOne } from '../rows.ts'
import { isDatabaseAway } from '../transact.ts'
import { type Call, type Handler, type Input, tokenHash, userOf, type World } from '../world.ts'
import { findLive } from './freeze.ts'
import { lookWhoIsThere } from './presence.ts'
import { refOf } from './start.ts'
import { loseTaken, mayTypeOn } from './take.ts'

/** Somebody who watches a live session now. */
export type Watching = {
  readonly session: SessionId
  readonly user: UserId
  readonly name: string
  readonly login: LoginId
  readonly source: string
  /** Was who is watched told? */
  readonly notice: boolean
  /** May they act on it too? Who only looks on supervises nothing. */
  isActive: boolean
  /** The worker that shows it. */
  readonly peer: Peer
}

const watchTicketLife = 30_000
/** Watches of one user at once: each costs the worker up to a megabyte where nothing is drawn. */
const mostWatches = 24

/**
 * The names of who watches a session, each once.
 *
 * SECURITY: to who is watched only those of whom they were told: the list of sessions says no more than their terminal.
 */
export function watchersOf(world: World, session: SessionId, toWatched: boolean): readonly string[] {
  const watching = [...world.watches.values()].filter(
    (one) => one.session === session && (one.notice || !toWatched),
  )
  return [...new Set(watching.map(({ name }) => name))].sort()
}

/** Gives a ticket to watch a session. Nothing is shown yet: the worker takes it to the vault first. */
export const sessionWatch: Handler<'session.watch'> = async (call, input) => {
  const { world } = call
  const found = await findLive(call, input.session)
  if (!found.ok) return found
  const session = found.value
  if (session.cut !== null)
    return refuse('conflict', 'this session is ending', 'look at the list of sessions')
  if (!session.connected)
    return refuse('unavailable', 'this session is not connected to its machine yet', 'watch it in a moment')
  const user = userOf(call)
  const ticket = `tkt_${randomBytes(24).toString('base64url')}`
  world.tickets.put(
    tokenHash(world, ticket).toString('base64'),
    { kind: 'watch', user: user.id, login: user.login.id, session: session.id },
    watchTicketLife,
  )
  const expiresAt = new Date(world.vault.clock().getTime() + watchTicketLife).toISOString()
  return done({ ticket, worker: session.worker, expiresAt })
}

/**
 * Lets a worker show a session to who brought a ticket for it.
 *
 * INVARIANT: who watches is in the audit log before anything is shown, whoever it is.
 */
export async function redeemWatch(
  call: Call,
  input: Input<'ticket.redeem'>,
  ticket: { readonly user: UserId; readonly login: LoginId; readonly session: SessionId },
): Promise<Outcome<RedeemedTicket>> {
  const { world } = call
  const session = world.live.get(ticket.session)
  if (session === undefined || session.cut !== null)
    return refuse('conflict', 'this session has ended', 'look at the list of sessions')
  if (session.peer !== call.peer)
    return refuse('conflict', 'another worker carries this session', 'watch it again')
  const watcher = await mayWatch(world, { ...ticket, source: input.source })
  if (watcher === undefined) return refuse('forbidden', 'you may not watch this session')
  const { database, guard } = world.vault
  const safe = checkedOne(
    guard,
    'safe',
    await database
      .selectFrom('safe')
      .innerJoin('session', 'session.safe_id', 'safe.id')
      .selectAll('safe')
      .where('session.id', '=', session.id)
      .executeTakeFirst(),
  )
  const notice = safe?.watch_notice ?? true
  const mine = [...world.watches.values()].filter(({ user }) => user === ticket.user).length
  if (mine >= mostWatches)
    return refuse('rate_limited', `you watch ${mostWatches} times already`, 'leave some, then try again')
  const watch = newId('wch', world.vault.clock().getTime())
  // Counted before it is written down, so that many at once are no more than one after another.
  world.watches.set(watch, {
    session: session.id,
    user: ticket.user,
    name: watcher.name,
    isActive: watcher.isActive,
    login: ticket.login,
    source: input.source,
    notice,
    peer: call.peer,
  })
  try {
    await world.vault.inTransaction((tx) =>
      tx.audit({
        kind: 'session.watched',
        watch,
        notice,
        ...refOf(session),
        actor: { kind: 'user', id: ticket.user, name: watcher.name },
        source: input.source,
      }),
    )
  } catch (error) {
    world.watches.delete(watch)
    throw error
  }
  await lookWhoIsThere(world, session, watcher.name)
  return done({
    kind: 'watch',
    watch,
    session: session.id,
    by: watcher.name,
    notice,
    user: session.userName,
    account: session.accountName,
  })
}

/** Who a watcher is whose login lives and who may still watch the session; undefined where that is no more. */
async function mayWatch(
  world: World,
  one: {
    readonly user: UserId
    readonly login: LoginId
    readonly session: SessionId
    readonly source: string
  },
): Promise<{ readonly name: string; readonly isActive: boolean; readonly mayTake: boolean } | undefined> {
  if (world.vault.isSealed) return undefined
  const { database, guard, clock } = world.vault
  const login = checkedOne(
    guard,
    'login',
    await database.selectFrom('login').selectAll().where('id', '=', one.login).executeTakeFirst(),
  )
  if (login?.user_id !== one.user || login.ended_at !== null || login.expires_at <= clock()) return undefined
  const user = await findUser(database, guard, one.user)
  if (user?.state !== 'active') return undefined
  const principal: Principal = {
    kind: 'user',
    id: user.id,
    name: user.name,
    roles: user.roles,
    login: { id: login.id, kind: 'console' },
  }
  if (login.kind !== 'console') return undefined
  const actor = { kind: 'user', id: user.id, name: user.name } as const
  const relate = relations['session.watch']
  // Asked as they would ask: the same facts, and the same row of the rules.
  const input = { session: one.session }
  const act = { verb: 'session.watch', input } as const
  const relation = await relate?.(
    { world, principal, actor, act, source: one.source, peer: undefined as never },
    input,
  )
  if (relation === undefined) return undefined
  const may = (verb: 'session.watch' | 'session.freeze' | 'session.take') =>
    decide({ verb, principal, vault: 'open', relation }).kind === 'allow'
  return may('session.watch')
    ? { name: user.name, isActive: may('session.freeze'), mayTake: may('session.take') }
    : undefined
}

/**
 * A watcher has left, by themselves or because they were cut. A vault that started meanwhile writes it down too.
 *
 * SECURITY: of a watch that the vault does not know it takes the word of the session's own worker alone.
 */
export const watchEnd: Handler<'watch.end'> = async ({ world, peer }, input) => {
  const watching = world.watches.get(input.watch)
  const isTheirs = watching === undefined ? await carries(world, peer, input.session) : watching.peer === peer
  if (!isTheirs) return refuse('forbidden', 'another worker shows this')
  world.watches.delete(input.watch)
  await leave(world, watching?.session ?? input.session, watching?.name ?? input.by, input.watch)
  await writeEnd(world, input.watch, watching?.session ?? input.session, watching?.name ?? input.by)
  return done(null)
}

/** Is or was the session carried by the worker at this connection, or is there none such to write anything about? */
async function carries(world: World, peer: Peer, session: SessionId): Promise<boolean> {
  const row = await world.vault.database
    .selectFrom('session')
    .select(['node', 'worker'])
    .where('id', '=', session)
    .executeTakeFirst()
  const worker = world.workers.of(peer)
  return row === undefined || (row.node === worker?.node && row.worker === worker.worker)
}

/**
 * A watcher has gone: where they had taken the session over it stays frozen, and where they were a supervisor whom the
 * policy wants it waits for another.
 */
async function leave(world: World, id: SessionId, name: string, watch?: WatchId): Promise<void> {
  const session = world.live.get(id)
  if (watch !== undefined && session?.taken?.watch === watch) await loseTaken(world, session, 'left')
  else if (session?.taken?.isOver === false && !(await mayTypeOn(world, session)))
    await loseTaken(world, session, 'not allowed any more')
  if (session !== undefined && session.cut === null) await lookWhoIsThere(world, session, name)
}

async function writeEnd(world: World, watch: WatchId, session: SessionId, name: string): Promise<void> {
  await world.vault.inTransaction(async (tx) => {
    const row = await tx.db
      .selectFrom('session')
      .select(['id', 'recording_id', 'user_name', 'account_name'])
      .where('id', '=', session)
      .executeTakeFirst()
    if (row === undefined) return
    await tx.audit({
      kind: 'session.watch-ended',
      watch,
      by: name,
      session: row.id,
      recording: row.recording_id,
      userName: row.user_name,
      accountName: row.account_name,
      actor: { kind: 'plane', plane: 'recorder' },
    })
  })
}

/**
 * Ends, every second, the watches whose right is no more: signed out, revoked, disabled, out of the safe, the vault
 * sealed. A watch whose worker is gone has ended.
 */
export async function endWatches(world: World): Promise<void> {
  for (const [id, one] of [...world.watches]) {
    if (!one.peer.isOpen) {
      world.watches.delete(id)
      await leave(world, one.session, one.name, id)
      await writeEnd(world, id, one.session, one.name)
      continue
    }
    let may: Awaited<ReturnType<typeof mayWatch>>
    const session = world.live.get(one.session)
    let mayType = session?.taken?.watch !== id
    try {
      may = await mayWatch(world, one)
      if (may?.mayTake === true && session !== undefined) mayType ||= await mayTypeOn(world, session)
    } catch (error) {
      // SECURITY: what cannot be told is not allowed, but where the database alone is away it is asked again.
      if (isDatabaseAway(error)) throw error
      world.onFault('watch', error)
    }
    if (!mayType && session !== undefined) await loseTaken(world, session, 'not allowed any more')
    if (may === undefined) orderEnd(id, one)
    else if (may.isActive !== one.isActive) {
      one.isActive = may.isActive
      await leave(world, one.session, one.name)
    }
  }
}

/** Watches whose worker was told to end them and has not answered yet. */
const ordered = new WeakSet<Watching>()

/** SECURITY: nobody waits for the worker: one that answers nothing would keep other watches past their end, and time. */
function orderEnd(watch: WatchId, one: Watching): void {
  if (ordered.has(one)) return
  ordered.add(one)
  void one.peer
    .call('watch.cut', { watch, message: 'you may not watch this session any more' }, undefined, 2_000)
    // Asked again within a second; a worker that is gone has ended the watch.
    .catch(() => undefined)
    .finally(() => ordered.delete(one))
}
