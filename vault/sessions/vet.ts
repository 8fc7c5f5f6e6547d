import { findUser } from '../identity/user.ts'
import type { EndReason } from '../contract.ts'
import { Fault } from '../kernel/fault.ts'
import { idTime } from '../kernel/id.ts'
import { checkedOne } from '../rows.ts'
import type { World } from '../world.ts'
import { representationOf } from '../vendors/standing.ts'
import { extendedUntil } from './extend.ts'
import { readFreezeRow } from './freeze.ts'
import type { Freeze, LiveSession } from './live.ts'
import { readStop } from '../switches/switches.ts'
import { type Supervisors, supervisorsOf } from './presence.ts'

const messages = {
  'grant revoked': 'your grant was revoked',
  'user disabled': 'your user was disabled',
  terminated: 'your session was terminated',
} as const satisfies Partial<Record<EndReason, string>>

type Finding =
  | { readonly reason: keyof typeof messages }
  | { readonly endsAt: number; readonly isExtended: boolean }

/**
 * The freeze that a session's row says.
 *
 * SECURITY: freeze before kill. Where the row is not what the vault wrote, the input is held until somebody looks.
 */
async function readFreeze(world: World, session: LiveSession): Promise<Freeze | null> {
  try {
    // In a transaction, whose beginning says until when the row may have been as it was before.
    const row = await world.vault.inTransaction((tx) => readFreezeRow(tx, session.id))
    session.freezeBy = row?.by_name ?? ''
    return row?.frozen === true ? { by: row.by_name, reason: row.reason, at: row.at.toISOString() } : null
  } catch (error) {
    await noteForgery(world, error)
    session.freezeBy = 'vault'
    const reason = 'what the database says about a freeze was not written by the vault'
    return { by: 'vault', reason, at: world.vault.clock().toISOString() }
  }
}

/**
 * Who must watch it. Who watched before this process began is not known: they watch again.
 *
 * SECURITY: where that cannot be told, it waits for somebody of a group that there is not.
 */
async function readSupervisors(world: World, session: LiveSession): Promise<void> {
  let wanted: Supervisors
  try {
    wanted = await world.vault.inTransaction((tx) => supervisorsOf(tx, session))
  } catch (error) {
    await noteForgery(world, error)
    wanted = { groups: ['nobody: the policy in the database was not written by the vault'], contact: null }
  }
  session.supervisors = wanted.groups
  session.missing = wanted.groups
  session.contact = wanted.contact
  session.missingSince = world.vault.clock().getTime()
}

/** Writes down that a row was forged or put back; any other fault is thrown on. */
async function noteForgery(world: World, error: unknown): Promise<void> {
  if (!(error instanceof Fault) || !['forged_row', 'rolled_back_row'].includes(error.code)) throw error
  world.onFault('session', error)
  const { code, message: finding } = error
  await world.vault.inTransaction((tx) =>
    tx.audit({ kind: 'vault.fault', code, finding, actor: { kind: 'vault' } }),
  )
}

/**
 * Holds a session that was found in the table against the grant and the user that it names, and cuts it where they
 * are no more. Its row has no MAC: how long it lasts follows from the grant, and from the moment that its id says.
 *
 * Does nothing while the vault is sealed: rows cannot be checked then. The next tick after unsealing does it.
 */
export async function vet(world: World, session: LiveSession): Promise<void> {
  if (session.isVetted || world.vault.isSealed) return
  const finding = await look(world, session)
  session.freeze ??= await readFreeze(world, session)
  await readStop(world, session)
  await readSupervisors(world, session)
  session.isVetted = true
  if ('endsAt' in finding) {
    session.endsAt = Math.min(session.endsAt, finding.endsAt)
    session.endTold = !finding.isExtended
    return
  }
  world.live.cut(session, { reason: finding.reason, message: messages[finding.reason] })
}

async function look(world: World, session: LiveSession): Promise<Finding> {
  const { database, guard } = world.vault
  try {
    const grant = checkedOne(
      guard,
      'access_grant',
      await database
        .selectFrom('access_grant')
        .selectAll()
        .where('id', '=', session.grant)
        .executeTakeFirst(),
    )
    const isTheirs = grant?.user_id === session.user && grant.account_id === session.account
    if (grant === undefined || !isTheirs || grant.revoked_at !== null) return { reason: 'grant revoked' }
    // Handed over: the vault was gone before it could cut the sessions of who had it.
    const lease = await database
      .selectFrom('lease')
      .select('ended_at')
      .where('id', '=', session.lease)
      .executeTakeFirst()
    if (lease === undefined || lease.ended_at !== null) return { reason: 'terminated' }
    const user = await findUser(database, guard, session.user)
    if (user === undefined || user.state === 'disabled') return { reason: 'user disabled' }
    const one = await representationOf(database, guard, user)
    if (one !== undefined && one.company.off_at !== null) return { reason: 'user disabled' }
    const contract = one?.company.contract_ends_at.getTime() ?? Number.POSITIVE_INFINITY
    const longest = idTime(session.id) + grant.max_session_seconds * 1000
    const extended = await extendedUntil(database, guard, session, grant, world.vault.clock())
    return {
      endsAt: Math.min(grant.not_after.getTime(), longest, contract, extended ?? Number.POSITIVE_INFINITY),
      isExtended: extended !== undefined,
    }
  } catch (error) {
    // SECURITY: a session that rests on a forged row ends; the others of its worker go on.
    await noteForgery(world, error)
    return { reason: 'terminated' }
  }
}
