import type { Kysely } from 'kysely'
import { machinesOf } from '../access/machine.ts'
import { readPolicy } from '../access/policy.ts'
import { readSubject, readSubjects } from '../access/subject.ts'
import { type Account, findAccount } from '../accounts/account.ts'
import type { Action, RequestView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { findUser } from '../identity/user.ts'
import { sha256 } from '../kernel/digest.ts'
import { encodeParts, toHex } from '../kernel/encoding.ts'
import { type GrantId, newId, type RequestId, type SafeId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { approversOf, notify, safeIn } from '../notifications/notify.ts'
import { groupsOf, obstacleOf, wantedOf } from '../policy/access-rule.ts'
import { missingOf, neededOf } from '../policy/approvals.ts'
import { fitsPattern } from '../policy/document.ts'
import { permissionsIn } from '../relations.ts'
import { type Checker, checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { type Sight, sightOf } from '../safes/sight.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from '../vendors/standing.ts'
import { type Acting, by, type Call, type Handler, nameOf, userOf, type World } from '../world.ts'
import { encodeForward, forwardsOf } from './forward.ts'
import { allowedBy, fitsTarget } from './grant.ts'

type Db = Kysely<Database>

/** Milliseconds for which a request that names no beginning waits for its approval. */
const waitsFor = 24 * 3600_000
/** How far ahead one may ask, in milliseconds. */
const farthest = 92 * 24 * 3600_000
/** How many open requests one person may have. */
const mostOpen = 20
/** How often one person may ask in an hour. */
const mostAnHour = 60

/** SHA-256 of all that is asked, in hex. Whoever approves names it: what they approve is what they saw. */
export async function digestOf(row: Row<'access_request'>): Promise<string> {
  const parts = [
    'tagout-request-1',
    row.id,
    row.user_id,
    row.account_id,
    row.actions.join(' '),
    (row.forwards ?? []).join('\n'),
    row.mode,
    row.not_before?.toISOString() ?? '',
    String(row.for_seconds),
    row.reason,
    row.work_order ?? '',
    row.created_at.toISOString(),
    // Only where there is one: what was asked before there were extensions keeps its digest.
    ...(row.extends_grant === null ? [] : ['extends', row.extends_grant]),
  ]
  return toHex(await sha256(encodeParts(...parts)))
}

/** The grant that an extension is of, and the end that it gets; null: the request is for a grant of its own. */
export function extensionOf(row: Row<'access_request'>): RequestView['extends'] {
  if (row.extends_grant === null || row.not_before === null) return null
  const until = new Date(row.not_before.getTime() + row.for_seconds * 1000)
  return { grant: row.extends_grant, until: until.toISOString() }
}

/** A request is open until its time is up, whether or not anybody has written that down yet. */
export function stateOf(row: Row<'access_request'>, now: Date): RequestView['state'] {
  return row.state === 'open' && row.expires_at <= now ? 'expired' : row.state
}

/** Requests as the person who asks sees them, with what was said to each. */
export async function viewRequests(
  call: Call,
  db: Db,
  checker: Checker,
  rows: readonly Row<'access_request'>[],
  now: Date,
  approvesIn: (safe: SafeId) => boolean,
): Promise<readonly RequestView[]> {
  if (rows.length === 0) return []
  const ids = rows.map((row) => row.id)
  const said = await db
    .selectFrom('approval')
    .innerJoin('app_user', 'app_user.id', 'approval.user_id')
    .selectAll('approval')
    .select('app_user.name as user_name')
    .where('request_id', 'in', ids)
    .orderBy('approval.id')
    .execute()
  checked(checker, 'approval', said)
  const named = await db
    .selectFrom('access_request')
    .innerJoin('app_user', 'app_user.id', 'access_request.user_id')
    .innerJoin('account', 'account.id', 'access_request.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .innerJoin('safe', 'safe.id', 'account.safe_id')
    .selectAll('safe')
    .select([
      'access_request.id as request_id',
      'access_request.user_id',
      'app_user.name as user_name',
      'app_user.roles',
      'account.login',
      'target.name as target_name',
    ])
    .where('access_request.id', 'in', ids)
    .execute()
  checked(checker, 'safe', named)
  const names = new Map(named.map((row) => [row.request_id, row]))
  const policy = await readPolicy(db, checker)
  const machines = await machinesOf(
    db,
    checker,
    policy,
    rows.map((row) => row.account_id),
  )
  const people = named.map(({ user_id, roles }) => ({ id: user_id, roles }))
  const subjectOf = await readSubjects(db, checker, people)
  const { principal } = call
  return Promise.all(
    rows.map(async (row) => {
      const name = names.get(row.id)
      if (name === undefined) throw new TypeError('a request that was read is of a user, for an account')
      const state = stateOf(row, now)
      const spoke = said.filter((one) => one.request_id === row.id)
      const wanted = wantedOf(
        policy,
        subjectOf({ id: row.user_id, roles: name.roles }),
        machines.get(row.account_id) ?? [],
        row.actions,
      )
      const quorums = wanted.approvals
      const obstacle =
        state === 'open'
          ? obstacleOf(policy, { user: row.user_id, workOrder: row.work_order }, wanted)
          : undefined
      const approved = spoke.filter(({ verdict }) => verdict === 'approve')
      const missing = missingOf(
        approved.map((one) => ({ groups: groupsOf(policy, one.user_id) })),
        quorums,
      )
      return {
        id: row.id,
        user: name.user_name,
        account: `${name.target_name}/${name.login}`,
        actions: row.actions,
        forwards: forwardsOf(row),
        mode: row.mode,
        notBefore: row.not_before?.toISOString() ?? null,
        forSeconds: row.for_seconds,
        extends: extensionOf(row),
        reason: row.reason,
        workOrder: row.work_order,
        createdAt: row.created_at.toISOString(),
        expiresAt: row.expires_at.toISOString(),
        state,
        obstacle: obstacle === undefined ? null : `the policy no longer allows this: ${obstacle}`,
        closedAt: row.closed_at?.toISOString() ?? null,
        closedBy: row.closed_by,
        grant: row.grant_id,
        approvalsNeeded: neededOf(name, quorums),
        approvalsFrom: quorums.map((quorum) => ({
          ...quorum,
          missing: missing.filter((group) => group === quorum.group).length,
        })),
        approvals: spoke.map((one) => ({
          user: one.user_name,
          verdict: one.verdict,
          note: one.note,
          at: one.created_at.toISOString(),
        })),
        digest: await digestOf(row),
        mayDecide:
          state === 'open' &&
          principal.kind === 'user' &&
          principal.id !== row.user_id &&
          !spoke.some((one) => one.user_id === principal.id) &&
          (principal.roles.includes('admin') || approvesIn(name.id)),
      }
    }),
  )
}

function approverIn(sight: Sight): (safe: SafeId) => boolean {
  const safes = new Set(sight.all ? [] : sight.safesWith('approve'))
  return (safe) => safes.has(safe)
}

/** One request as the person who asks sees it. */
export async function viewRequest(tx: Tx, call: Call, row: Row<'access_request'>): Promise<RequestView> {
  const may = call.principal.kind === 'user' ? await permissionsIn(tx, call) : () => false
  const [view] = await viewRequests(call, tx.db, tx.guard, [row], tx.now, (safe) => may(safe, 'approve'))
  if (view === undefined) throw new TypeError('a request that was read is shown')
  return view
}

/** Reads a request for a change. */
export async function lockRequest(tx: Tx, id: RequestId): Promise<Outcome<Row<'access_request'>>> {
  const row = checkedOne(
    tx.guard,
    'access_request',
    await tx.db.selectFrom('access_request').selectAll().where('id', '=', id).forUpdate().executeTakeFirst(),
  )
  if (row === undefined) return notFound('request', id)
  const state = stateOf(row, tx.now)
  return state === 'open'
    ? done(row)
    : refuse('conflict', `this request is ${state} already`, 'see: tagout request list --all')
}

export const requestAdd: Handler<'request.add'> = async (call, input) => {
  const allowed = allowedBy(input)
  if (!allowed.ok) return allowed
  const { actions, forwards } = allowed.value
  return transact(call.world, async (tx) => {
    const now = tx.now.getTime()
    const notBefore = input.notBefore === undefined ? null : new Date(input.notBefore)
    const end = notBefore === null ? now + waitsFor : notBefore.getTime() + input.forSeconds * 1000
    if (end <= now) return refuse('invalid', 'notBefore: this time is over already', 'ask for a later time')
    if (notBefore !== null && notBefore.getTime() > now + farthest)
      return refuse('invalid', 'notBefore: this is more than three months ahead', 'ask again nearer the day')
    const user = await findUser(tx.db, tx.guard, userOf(call).id, 'update')
    if (user === undefined || user.state !== 'active') return refuse('unauthenticated', 'sign in again')
    const account = await findAccount(tx.db, tx.guard, input.account)
    if (account === undefined) return notFound('account', input.account)
    const fits = fitsTarget(account, actions)
    if (!fits.ok) return fits
    const one = await representationOf(tx.db, tx.guard, user)
    const contract = one?.company.contract_ends_at
    if (
      contract !== undefined &&
      (notBefore ?? tx.now).getTime() + input.forSeconds * 1000 > contract.getTime()
    )
      return refuse(
        'invalid',
        `forSeconds: the contract of your company ends at ${contract.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
        'ask for a time before that',
      )
    const asked: Asked = {
      user,
      account,
      actions,
      forwards: forwards.length === 0 ? null : forwards.map(encodeForward),
      mode: input.mode ?? 'shared',
      notBefore,
      forSeconds: input.forSeconds,
      expiresAt: new Date(end),
      extendsGrant: null,
      reason: input.reason,
      workOrder: input.workOrder ?? null,
    }
    return makeRequest(tx, call, asked)
  })
}

/** What somebody asks for, when it was found that they may. */
export type Asked = {
  readonly user: Row<'app_user'>
  readonly account: Account
  readonly actions: readonly Action[]
  /** Encoded, as a grant has them. */
  readonly forwards: readonly string[] | null
  readonly mode: 'shared' | 'exclusive'
  /** Null: from the approval on. Of an extension: the grant's present end. */
  readonly notBefore: Date | null
  readonly forSeconds: number
  readonly expiresAt: Date
  /** The grant that gets a later end; null: one of its own comes of it. */
  readonly extendsGrant: GrantId | null
  readonly reason: string
  readonly workOrder: string | null
}

/** Keeps a request and has its approvers told: one open at a time for an account, and not without end. */
export async function makeRequest(tx: Tx, call: Call, asked: Asked): Promise<Outcome<RequestView>> {
  const { user, account, actions } = asked
  const now = tx.now.getTime()
  const open = checked(
    tx.guard,
    'access_request',
    await tx.db
      .selectFrom('access_request')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('state', '=', 'open')
      .execute(),
  )
  for (const old of open.filter((one) => one.expires_at <= tx.now)) await expire(tx, old)
  const waiting = open.filter((one) => one.expires_at > tx.now)
  const same = waiting.find((one) => one.account_id === account.id)
  if (same !== undefined)
    return refuse(
      'conflict',
      `you asked for ${account.name} already (${same.id})`,
      'wait for the answer, or withdraw it first',
    )
  if (waiting.length >= mostOpen)
    return refuse('rate_limited', `${mostOpen} requests of yours are open`, 'withdraw one of them first')
  const policy = await readPolicy(tx.db, tx.guard)
  const machines = (await machinesOf(tx.db, tx.guard, policy, [account.id])).get(account.id) ?? []
  const subject = await readSubject(tx.db, tx.guard, user)
  const { workOrders, approvals: quorums } = wantedOf(policy, subject, machines, actions)
  const unfit = workOrders.find(({ pattern }) => !fitsPattern(pattern, asked.workOrder ?? ''))
  if (unfit !== undefined)
    return refuse(
      'invalid',
      `workOrder: the rule “${unfit.rule}” wants one of the form ${unfit.pattern}`,
      'name the work order (# stands for a digit)',
    )
  const { lately } = await tx.db
    .selectFrom('access_request')
    .select((eb) => eb.fn.countAll<number>().as('lately'))
    .where('user_id', '=', user.id)
    .where('created_at', '>', new Date(now - 3600_000))
    .executeTakeFirstOrThrow()
  // People are written to about each: nobody fills their mailboxes.
  if (lately >= mostAnHour)
    return refuse('rate_limited', `you have asked ${lately} times in an hour`, 'wait, or talk to an approver')
  const row = await insertGuarded(tx, 'access_request', {
    id: newId('req', now),
    user_id: user.id,
    account_id: account.id,
    actions,
    forwards: asked.forwards,
    mode: asked.mode,
    not_before: asked.notBefore,
    for_seconds: asked.forSeconds,
    reason: asked.reason,
    work_order: asked.workOrder,
    created_at: tx.now,
    expires_at: asked.expiresAt,
    extends_grant: asked.extendsGrant,
    state: 'open',
    closed_at: null,
    closed_by: null,
    grant_id: null,
    reminded_at: null,
  })
  await tx.audit({
    kind: 'request.made',
    request: row.id,
    user: user.id,
    userName: user.name,
    account: account.id,
    accountName: account.name,
    actions: row.actions,
    ...(row.forwards === null ? {} : { forwards: row.forwards }),
    mode: row.mode,
    ...(row.not_before === null ? {} : { notBefore: row.not_before.toISOString() }),
    forSeconds: row.for_seconds,
    ...(row.extends_grant === null ? {} : { extends: row.extends_grant }),
    reason: row.reason,
    ...(row.work_order === null ? {} : { workOrder: row.work_order }),
    digest: await digestOf(row),
    ...by(call),
  })
  const safe = await safeIn(tx, account.safe_id)
  await notify(
    tx,
    {
      kind: 'request.asked',
      request: row.id,
      user: user.name,
      account: account.name,
      safe: safe.name,
      forSeconds: row.for_seconds,
      ...(row.extends_grant === null ? {} : { extends: row.extends_grant }),
      expiresAt: row.expires_at.toISOString(),
    },
    () => approversOf(tx, safe, { but: user.id, needed: neededOf(safe, quorums) }),
  )
  return done(await viewRequest(tx, call, row))
}

/** Requests: one's own, and those that one may decide; all of them for administrators and auditors. */
export const requestList: Handler<'request.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database
    .selectFrom('access_request')
    .innerJoin('account', 'account.id', 'access_request.account_id')
    .selectAll('access_request')
    .orderBy('access_request.id', 'desc')
    .limit(1_000)
  if (input.state !== 'all')
    query = query.where('access_request.state', '=', 'open').where('access_request.expires_at', '>', clock())
  if (!sight.all) {
    const safes = sight.safesWith('approve')
    query = query.where((eb) =>
      eb.or([
        eb('access_request.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('account.safe_id', 'in', safes)]),
      ]),
    )
  }
  const rows = checked(guard, 'access_request', await query.execute())
  return done(await viewRequests(call, database, guard, rows, clock(), approverIn(sight)))
}

export const requestShow: Handler<'request.show'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const row = checkedOne(
    guard,
    'access_request',
    await database
      .selectFrom('access_request')
      .selectAll()
      .where('id', '=', input.request)
      .executeTakeFirst(),
  )
  if (row === undefined) return notFound('request', input.request)
  const may = approverIn(await sightOf(call))
  const [view] = await viewRequests(call, database, guard, [row], clock(), may)
  return view === undefined ? notFound('request', input.request) : done(view)
}

/** Takes one's own request back. */
export const requestWithdraw: Handler<'request.withdraw'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const locked = await lockRequest(tx, input.request)
    if (!locked.ok) return locked
    const row = locked.value
    const after = await updateGuarded(tx, 'access_request', row, {
      state: 'withdrawn',
      closed_at: tx.now,
      closed_by: userOf(call).name,
    })
    const ref = await refOf(tx, row)
    await tx.audit({ kind: 'request.withdrawn', ...ref, ...by(call) })
    await tellAsker(tx, 'request.withdrawn', ref)
    return done(await viewRequest(tx, call, after))
  })

/** Withdraws what a user asked for and nobody has answered; answers the requests. */
export async function withdrawRequestsOf(tx: Tx, call: Acting, user: UserId): Promise<readonly RequestId[]> {
  const open = checked(
    tx.guard,
    'access_request',
    await tx.db
      .selectFrom('access_request')
      .selectAll()
      .where('user_id', '=', user)
      .where('state', '=', 'open')
      .orderBy('id')
      .forUpdate()
      .execute(),
  )
  for (const row of open) {
    await updateGuarded(tx, 'access_request', row, {
      state: 'withdrawn',
      closed_at: tx.now,
      closed_by: nameOf(call),
    })
    await tx.audit({ kind: 'request.withdrawn', ...(await refOf(tx, row)), ...by(call) })
  }
  return open.map(({ id }) => id)
}

/** How the audit log names a request. */
export async function refOf(tx: Tx, row: Row<'access_request'>) {
  const user = await findUser(tx.db, tx.guard, row.user_id)
  const { login, name } = await tx.db
    .selectFrom('account')
    .innerJoin('target', 'target.id', 'account.target_id')
    .select(['account.login', 'target.name'])
    .where('account.id', '=', row.account_id)
    .executeTakeFirstOrThrow()
  return {
    request: row.id,
    user: row.user_id,
    userName: user?.name ?? '',
    account: row.account_id,
    accountName: `${name}/${login}`,
  }
}

async function expire(tx: Tx, row: Row<'access_request'>): Promise<void> {
  await updateGuarded(tx, 'access_request', row, { state: 'expired', closed_at: row.expires_at })
  const ref = await refOf(tx, row)
  await tx.audit({ kind: 'request.expired', ...ref, actor: { kind: 'vault' } })
  await tellAsker(tx, 'request.expired', ref)
}

async function tellAsker(
  tx: Tx,
  kind: 'request.expired' | 'request.withdrawn',
  { request, user, userName, accountName }: Awaited<ReturnType<typeof refOf>>,
): Promise<void> {
  await notify(tx, { kind, request, user: userName, account: accountName }, [user])
}

/** Writes down which requests nobody answered in time. */
export async function expireRequests(world: World): Promise<void> {
  const { database, clock, isSealed } = world.vault
  if (isSealed) return
  const due = await database
    .selectFrom('access_request')
    .select('id')
    .where('state', '=', 'open')
    .where('expires_at', '<=', clock())
    .limit(100)
    .execute()
  if (due.length === 0) return
  await world.vault.inTransaction(async (tx) => {
    const rows = checked(
      tx.guard,
      'access_request',
      await tx.db
        .selectFrom('access_request')
        .selectAll()
        .where(
          'id',
          'in',
          due.map((row) => row.id),
        )
        .where('state', '=', 'open')
        .where('expires_at', '<=', tx.now)
        .forUpdate()
        .execute(),
    )
    for (const row of rows) await expire(tx, row)
  })
}
