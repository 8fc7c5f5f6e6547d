import { randomBytes } from 'node:crypto'
import type { AccountId, UserId } from '../kernel/id.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { findAccount } from '../accounts/account.ts'
import { by, type Handler, tokenHash, userOf } from '../world.ts'

/** One SSH login without password and code, for one account, once. */
export type Ticket = { readonly user: UserId; readonly account: AccountId }

export const ticketLife = 60_000

export const ticketIssue: Handler<'ticket.issue'> = async (call, { account: reference }) => {
  const { world } = call
  const user = userOf(call)
  const account = await findAccount(world.vault.database, world.vault.guard, reference)
  if (account === undefined) return refuse('forbidden', 'there is no such account, or you may not use it')
  const ticket = `tkt_${randomBytes(24).toString('base64url')}`
  const expiresAt = new Date(world.vault.clock().getTime() + ticketLife).toISOString()
  await world.vault.inTransaction((tx) =>
    tx.audit({
      kind: 'ticket.issued',
      account: account.id,
      accountName: account.name,
      expiresAt,
      ...by(call),
    }),
  )
  world.tickets.put(tokenHash(world, ticket).toString('base64'), { user: user.id, account: account.id })
  return done({ ticket, expiresAt })
}
