import { randomBytes } from 'node:crypto'
import { findAccount, readAccount } from '../accounts/account.ts'
import type { RedeemedTicket } from '../contract.ts'
import { factorOf, factorOfLogin } from '../identity/factor.ts'
import { auditRefusedLogin } from '../identity/login.ts'
import { issueProof } from '../identity/proof.ts'
import { findUser } from '../identity/user.ts'
import type { AccountId, LoginId, SessionId, TargetId, UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { checkedOne } from '../rows.ts'
import { redeemWatch } from '../sessions/watch.ts'
import { findTarget } from '../targets/target.ts'
import { needSessions } from '../targets/no-session.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, type Input, tokenHash, userOf, type World } from '../world.ts'

/** Something that a user may do once, shortly. A kind is good for its own purpose and no other. */
export type Ticket =
  /** One SSH login without password and code, for one account. */
  | {
      readonly kind: 'ssh'
      readonly user: UserId
      /** The login that took it: it is good no longer than that. */
      readonly login: LoginId
      readonly account: AccountId
      /** When the login that took it showed its second factor (ms). */
      readonly factorAt: number
    }
  /** One terminal in the browser: over a live socket of the login that took it. */
  | {
      readonly kind: 'connect'
      readonly user: UserId
      readonly login: LoginId
      readonly account: AccountId
      readonly target: TargetId
    }
  /** One look at a live session, over a live socket of the login that took it. */
  | {
      readonly kind: 'watch'
      readonly user: UserId
      readonly login: LoginId
      readonly session: SessionId
    }

/** Milliseconds for which a ticket is good. One for SSH is pasted by hand; the console presents its own at once. */
export const ticketLife = 60_000
const connectTicketLife = 30_000
/** A proof by a live ticket opens one session, at once. */
const liveProofLife = 60_000

const badTicket = refuse(
  'unauthenticated',
  'this ticket is unknown, used or too old',
  'connect again in the console',
)

export const ticketIssue: Handler<'ticket.issue'> = async (call, input) => {
  const { world } = call
  const user = userOf(call)
  const account = await findAccount(world.vault.database, world.vault.guard, input.account)
  if (account === undefined) return refuse('forbidden', 'there is no such account, or you may not use it')
  const sessions = needSessions(account.target)
  if (!sessions.ok) return sessions
  const isConnect = input.for === 'connect'
  const ticket: Ticket = isConnect
    ? {
        kind: 'connect',
        user: user.id,
        login: user.login.id,
        account: account.id,
        target: account.target_id,
      }
    : {
        kind: 'ssh',
        user: user.id,
        login: user.login.id,
        account: account.id,
        factorAt: (await factorOfLogin(world, user.login.id)) ?? 0,
      }
  const token = `tkt_${randomBytes(24).toString('base64url')}`
  const life = isConnect ? connectTicketLife : ticketLife
  const expiresAt = new Date(world.vault.clock().getTime() + life).toISOString()
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'ticket.issued',
      account: account.id,
      accountName: account.name,
      expiresAt,
      ...(isConnect ? { for: 'connect' as const } : {}),
      ...by(call),
    }),
  )
  world.tickets.put(keyOf(world, token), ticket, life)
  return done({ ticket: token, expiresAt })
}

/** Says whose live socket it is that the api lets through, so that a ticket is good on that login's sockets only. */
export const liveOpen: Handler<'live.open'> = async (call) => {
  const user = userOf(call)
  return done({ login: user.login.id, user: user.name })
}

/**
 * Takes a ticket that came over a live socket. Of two that bring it at once, one is served.
 *
 * SECURITY: a ticket that somebody else brings, or that comes over the socket of another login, is used up by that.
 */
export const ticketRedeem: Handler<'ticket.redeem'> = async (call, input) => {
  const { world } = call
  const ticket = world.tickets.take(keyOf(world, input.ticket))
  const outcome =
    ticket?.kind === 'connect' && ticket.login === input.login
      ? await transact(world, (tx) => redeemConnect(tx, call, input, ticket))
      : ticket?.kind === 'watch' && ticket.login === input.login
        ? await redeemWatch(call, input, ticket)
        : badTicket
  if (!outcome.ok) {
    const { vault } = world
    const holder = ticket === undefined ? undefined : await findUser(vault.database, vault.guard, ticket.user)
    await auditRefusedLogin(
      world,
      { name: holder?.name ?? '', source: input.source },
      'live ticket',
      ticket === undefined ? 'the ticket is unknown, used or too old' : outcome.refusal.message,
    )
  }
  return outcome
}

async function redeemConnect(
  tx: Tx,
  call: Call,
  input: Input<'ticket.redeem'>,
  ticket: Ticket & { readonly kind: 'connect' },
): Promise<Outcome<RedeemedTicket>> {
  // Shared: whoever ends the login waits for this transaction, and then forgets its proof.
  const login = checkedOne(
    tx.guard,
    'login',
    await tx.db
      .selectFrom('login')
      .selectAll()
      .where('id', '=', ticket.login)
      .where('ended_at', 'is', null)
      .forShare()
      .executeTakeFirst(),
  )
  const user = await findUser(tx.db, tx.guard, ticket.user)
  if (login?.user_id !== ticket.user || login.expires_at <= tx.now || user?.state !== 'active')
    return badTicket
  const account = await readAccount(tx.db, tx.guard, ticket.account)
  const target = await findTarget(tx.db, tx.guard, ticket.target)
  if (account === undefined || account.removed_at !== null || target === undefined)
    return refuse('forbidden', 'there is no such account any more', 'look at what you may use now')
  await tx.audit({
    kind: 'ticket.used',
    user: user.id,
    name: user.name,
    account: account.id,
    accountName: account.name,
    actor: { kind: 'user', id: user.id, name: user.name },
    source: input.source,
  })
  const proof = issueProof(
    call.world,
    {
      user: user.id,
      name: user.name,
      via: 'console',
      peer: call.peer,
      connection: null,
      source: input.source,
      key: null,
      account: account.id,
      target: target.id,
      login: ticket.login,
      factorAt: factorOf(call.world, login),
    },
    liveProofLife,
  )
  return done({
    kind: 'connect',
    proof,
    user: user.name,
    target: target.name,
    protocol: target.protocol,
    account: account.login,
  })
}

function keyOf(world: World, ticket: string): string {
  return tokenHash(world, ticket).toString('base64')
}
