import { breakGlassOf } from '../breakglass/view.ts'
import { readAccount } from '../accounts/account.ts'
import type { GrantId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { whoNeverConnects } from '../policy/roles.ts'
import { checkedOne, type Row, updateGuarded } from '../rows.ts'
import { extendSessions } from '../sessions/extend.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { lockPerson } from '../vendors/people.ts'
import { refuseLettingIn, representationOf } from '../vendors/standing.ts'
import { by, type Call, type Handler, userOf } from '../world.ts'
import { extensionOf, makeRequest } from './request.ts'

/** By how much a grant can be extended at once, in milliseconds. */
const shortest = 60_000
const longest = 31 * 24 * 3600_000

const askAnew = 'request access in the console, or with: tagout request ask'

/**
 * Asks for more time: a later end of a grant of one's own, and of the sessions that end with it. It is a request like
 * any other, open until the grant ends; who answers it approves the grant, its present end and the later one.
 */
export const requestExtend: Handler<'request.extend'> = (call, input) =>
  transact(call.world, async (tx) => {
    // Locked, as for any request: nobody has two open for an account.
    const user = await lockPerson(tx, userOf(call).id)
    if (user === undefined || user.state !== 'active') return refuse('unauthenticated', 'sign in again')
    const grant = await lockGrant(tx, input.grant)
    if (grant?.user_id !== user.id) return notFound('grant', input.grant)
    const fault = await cannotExtend(tx, grant)
    if (fault !== undefined) return fault
    const account = await readAccount(tx.db, tx.guard, grant.account_id)
    if (account === undefined || account.removed_at !== null) return notFound('account', grant.account_id)
    const more = Date.parse(input.until) - grant.not_after.getTime()
    if (more < shortest || more > longest)
      return refuse(
        'invalid',
        more < shortest
          ? `until: your grant lasts until ${minute(grant.not_after)} anyway`
          : 'until: a grant is extended by 31 days at most',
        more < shortest ? 'ask for a later end, by a minute at least' : askAnew,
      )
    const tooLong = await beyondContract(tx, user, new Date(Date.parse(input.until)))
    if (tooLong !== undefined) return tooLong
    return makeRequest(tx, call, {
      user,
      account,
      actions: grant.actions,
      forwards: grant.forwards,
      mode: grant.mode,
      notBefore: grant.not_after,
      forSeconds: Math.floor(more / 1000),
      expiresAt: grant.not_after,
      extendsGrant: grant.id,
      reason: input.reason,
      // The work goes on: it belongs to what it belonged to.
      workOrder: input.workOrder ?? (await workOrderOf(tx, grant)),
    })
  })

/** The work order of the request that a grant came of; null: of none, or without one. */
async function workOrderOf(tx: Tx, grant: Row<'access_grant'>): Promise<string | null> {
  const row = await tx.db
    .selectFrom('access_request')
    .selectAll()
    .where('grant_id', '=', grant.id)
    .where('extends_grant', 'is', null)
    .executeTakeFirst()
  return checkedOne(tx.guard, 'access_request', row)?.work_order ?? null
}

/**
 * Gives a grant the end that was asked for and approved, and the sessions that end with it theirs.
 *
 * INVARIANT: what was approved is one grant, from one end to another: where it ends at another moment by now, nothing
 * happens, so that an approval is good once.
 */
export async function extendGrant(
  tx: Tx,
  call: Call,
  request: Row<'access_request'>,
): Promise<Outcome<GrantId>> {
  const extension = extensionOf(request)
  if (extension === null) throw new TypeError('this request extends nothing')
  const user = await lockPerson(tx, request.user_id, 'share')
  if (user === undefined || user.state !== 'active' || whoNeverConnects(user.roles) !== undefined)
    return refuse('conflict', 'who asked may connect to nothing now', 'deny it')
  const barred = refuseLettingIn(await representationOf(tx.db, tx.guard, user, 'share'), tx.now)
  if (barred !== undefined) return barred
  const grant = await lockGrant(tx, extension.grant)
  if (grant === undefined || grant.user_id !== user.id || grant.account_id !== request.account_id)
    return notFound('grant', extension.grant)
  const fault = await cannotExtend(tx, grant)
  if (fault !== undefined) return fault
  const was = grant.not_after
  if (was.getTime() !== request.not_before?.getTime())
    return refuse(
      'conflict',
      `this grant ends at ${minute(was)} meanwhile, and not when it was asked`,
      'have it withdrawn and asked for again',
    )
  const until = new Date(extension.until)
  const tooLong = await beyondContract(tx, user, until)
  if (tooLong !== undefined) return tooLong
  const account = await readAccount(tx.db, tx.guard, grant.account_id)
  if (account === undefined || account.removed_at !== null) return notFound('account', grant.account_id)
  const after = await updateGuarded(tx, 'access_grant', grant, { not_after: until })
  await tx.audit({
    kind: 'grant.extended',
    grant: grant.id,
    request: request.id,
    user: user.id,
    userName: user.name,
    account: account.id,
    accountName: account.name,
    was: was.toISOString(),
    notAfter: until.toISOString(),
    ...by(call),
  })
  await extendSessions(tx, call, after, was)
  return done(grant.id)
}

async function lockGrant(tx: Tx, id: GrantId): Promise<Row<'access_grant'> | undefined> {
  const query = tx.db.selectFrom('access_grant').selectAll().where('id', '=', id).forUpdate()
  return checkedOne(tx.guard, 'access_grant', await query.executeTakeFirst())
}

/** Why a grant gets no later end, whoever approves it; undefined: it may. */
async function cannotExtend(tx: Tx, grant: Row<'access_grant'>): Promise<Outcome<never> | undefined> {
  if (grant.revoked_at !== null) return refuse('conflict', 'this grant was revoked', askAnew)
  if (grant.not_after <= tx.now)
    return refuse('expired', `this grant ended at ${minute(grant.not_after)}`, askAnew)
  if (grant.rule !== null)
    return refuse('conflict', `this grant is of the rule “${grant.rule}” of the policy`, askAnew)
  // SECURITY: the time that somebody lets themselves in for is the safe's.
  if ((await breakGlassOf(tx.db, tx.guard, grant)) !== undefined)
    return refuse('conflict', 'a break-glass ends when it ends', askAnew)
  return undefined
}

/** INVARIANT: nothing outlasts the contract of who represents a company. */
async function beyondContract(
  tx: Tx,
  user: Row<'app_user'>,
  until: Date,
): Promise<Outcome<never> | undefined> {
  const one = await representationOf(tx.db, tx.guard, user, 'share')
  const end = one?.company.contract_ends_at
  if (end === undefined || until <= end) return undefined
  return refuse(
    'invalid',
    `until: the contract of the company ends at ${minute(end)}`,
    'ask for a time before that',
  )
}

function minute(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
