import { forwardName } from '../checkout/forward.ts'
import type { ForwardRule } from '../contract.ts'
import type { GrantId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { Tx } from '../transaction.ts'
import type { Handler } from '../world.ts'
import { sessionOf } from './start.ts'

/**
 * What a grant's rule leaves for one more forwarding session. Its megabytes are those of all sessions under the grant
 * together: whoever connects again gets no more. As many sessions as its connections may be open at once.
 *
 * The caller has the account's row locked, so that two sessions do not take the same room.
 *
 * @param rule - as the grant has it
 * @returns the rule for the session, `megabytes` being what remains of them
 */
export async function forwardRoom(tx: Tx, grant: GrantId, rule: ForwardRule): Promise<Outcome<ForwardRule>> {
  const to = forwardName(rule)
  const sessions = await tx.db
    .selectFrom('session')
    .select(['state', 'forward_bytes_up', 'forward_bytes_down'])
    .where('grant_id', '=', grant)
    .where('forward_to', '=', to)
    .execute()
  const open = sessions.filter(({ state }) => state !== 'ended').length
  const most = rule.megabytes === null ? rule.connections : 1
  if (open >= most)
    return refuse(
      'held',
      most === 1
        ? `a forwarding to ${to} is open already under this grant`
        : `${open} forwardings to ${to} are open already under this grant`,
      'close one, or use the one that is open',
    )
  if (rule.megabytes === null) return done(rule)
  const carried = sessions.reduce(
    (sum, row) => sum + (row.forward_bytes_up ?? 0) + (row.forward_bytes_down ?? 0),
    0,
  )
  const left = Math.floor(rule.megabytes - carried / 1e6)
  if (left < 1)
    return refuse(
      'forbidden',
      `this grant has carried its ${rule.megabytes} MB to ${to}`,
      'ask for another grant',
    )
  return done({ ...rule, megabytes: left })
}

/**
 * Lets a forwarding session have so many connections open, which its worker says before it opens one and after one has
 * closed.
 *
 * SECURITY: a rule's connections are those of all sessions under the grant together. Of sessions found in the table,
 * after a start of the vault, their worker says how many they have at the next change.
 */
export const sessionForwarding: Handler<'session.forwarding'> = async (
  { world, peer },
  { session, open },
) => {
  const found = sessionOf(world, peer, session)
  if (!found.ok) return found
  const own = found.value
  const { forward, grant } = own
  if (forward === null) return refuse('conflict', 'this session is not a forwarding')
  const others = world.live
    .where((one) => one !== own && one.grant === grant && one.forward?.to === forward.to)
    .reduce((sum, { forwarding }) => sum + forwarding, 0)
  const { connections: most } = forward
  if (open > own.forwarding && most !== null && others + open > most)
    return refuse(
      'held',
      `${others + own.forwarding} connections to ${forward.to} are open already under this grant`,
      'close one, then try again',
    )
  own.forwarding = open
  return done(null)
}
