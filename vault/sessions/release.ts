import { type Outcome, refuse } from '../kernel/outcome.ts'
import { whoText } from '../kernel/who.ts'
import type { Circumstances } from '../policy/access-rule.ts'
import { checkedOne, type Row } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import type { World } from '../world.ts'
import { heldBy, type LiveSession } from './live.ts'

/** What the release of a further secret to a running session depends on: to elevate it, or to type it into a desktop. */

/** Milliseconds between two releases to a session, and how many it gets in an hour. */
const pause = 3_000
const mostAnHour = 20
const hour = 3600_000

/** Moments of the last hour with this one, or undefined where it comes too soon or too often. */
export function takeTurn(moments: readonly number[], now: number): readonly number[] | undefined {
  const recent = moments.filter((at) => now - at < hour)
  return recent.length >= mostAnHour || now - (recent.at(-1) ?? 0) < pause ? undefined : [...recent, now]
}

/** Why nothing is typed for a session's user now, or undefined. */
export function whyFrozen(session: LiveSession): Outcome<never> | undefined {
  const held = heldBy(session)
  if (held === null) return undefined
  return held.waits
    ? refuse('held', `this session ${held.reason}`, 'wait until one does')
    : refuse('held', `this session is frozen by ${whoText(held.by)}`, 'wait until it goes on, or ask them')
}

/** The grant that a session lives by. */
export async function grantOf(tx: Tx, session: LiveSession): Promise<Row<'access_grant'> | undefined> {
  return checkedOne(
    tx.guard,
    'access_grant',
    await tx.db.selectFrom('access_grant').selectAll().where('id', '=', session.grant).executeTakeFirst(),
  )
}

/** When and from where a session's user acts, and when they have shown their second factor: what their login has shown since counts too. */
export function circumstancesOf(
  world: World,
  { source, login, ...session }: LiveSession,
  now: Date,
): Circumstances {
  const shown = login === null ? undefined : world.factors.get(login)
  const factorAt = shown === undefined ? session.factorAt : Math.max(shown, session.factorAt ?? 0)
  return {
    now: now.getTime(),
    ...(source === undefined ? {} : { source }),
    ...(factorAt === undefined ? {} : { factorAt }),
  }
}

/** Somebody else who has the account of the secret to themself. */
export async function otherHolder(
  tx: Tx,
  account: Row<'account'>,
  session: LiveSession,
): Promise<string | undefined> {
  const lease = await tx.db
    .selectFrom('lease')
    .innerJoin('app_user', 'app_user.id', 'lease.user_id')
    .select('app_user.name')
    .where('lease.account_id', '=', account.id)
    .where('lease.exclusive', '=', true)
    .where('lease.ended_at', 'is', null)
    .where('lease.user_id', '<>', session.user)
    .executeTakeFirst()
  return lease?.name
}
