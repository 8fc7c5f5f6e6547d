import {
  type Action,
  carriesFiles,
  clipboardActions,
  fileActions,
  fitsProtocol,
  isDesktop,
  type ForwardRule,
  type GrantView,
  type VerbInput,
} from '../contract.ts'
import type { GrantId, UserId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { machineFinder } from '../access/machine.ts'
import { readPolicy } from '../access/policy.ts'
import { readSubject } from '../access/subject.ts'
import { type Account, findAccount, readAccount } from '../accounts/account.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { findUser } from '../identity/user.ts'
import { notFound } from '../not-found.ts'
import { wantedOf } from '../policy/access-rule.ts'
import { whoNeverConnects } from '../policy/roles.ts'
import { canonicalForwards, encodeForward, forwardsOf } from './forward.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { sightOf } from '../safes/sight.ts'
import { needSessions } from '../targets/no-session.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { lockPerson } from '../vendors/people.ts'
import { refuseLettingIn, representationOf } from '../vendors/standing.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'

const longestGrant = 366 * 24 * 3600_000
const defaultGrant = 8 * 3600_000

/** A grant as people see it at a moment. */
export function viewGrant(grant: Row<'access_grant'>, user: string, account: string, now: Date): GrantView {
  const state =
    grant.revoked_at !== null
      ? 'revoked'
      : grant.not_after <= now
        ? 'expired'
        : grant.not_before > now
          ? 'future'
          : 'active'
  return {
    id: grant.id,
    user,
    account,
    actions: grant.actions,
    forwards: forwardsOf(grant),
    notBefore: grant.not_before.toISOString(),
    notAfter: grant.not_after.toISOString(),
    maxSessionSeconds: grant.max_session_seconds,
    mode: grant.mode,
    reason: grant.reason,
    state,
    grantedBy: grant.granted_by,
    createdAt: grant.created_at.toISOString(),
  }
}

export const grantAdd: Handler<'grant.add'> = (call, input) =>
  transact(call.world, (tx) => addGrant(tx, call, input, takeFreshCode))

/** What a grant would allow: each action once, destinations in their canonical form. Refuses what does not go together. */
export function allowedBy(
  input: Pick<VerbInput<'grant.add'>, 'actions' | 'forwards'>,
): Outcome<{ readonly actions: readonly Action[]; readonly forwards: readonly ForwardRule[] }> {
  const actions = [...new Set(input.actions)]
  if (actions.includes('forward') !== (input.forwards !== undefined))
    return input.forwards === undefined
      ? refuse('invalid', 'forwards: say where forwarding may go', 'name each destination as host:port')
      : refuse('invalid', 'actions: destinations go with the action forward', 'allow forward too')
  if (actions.includes('elevate') && !actions.includes('shell') && !actions.includes('exec'))
    return refuse('invalid', 'actions: elevate goes with shell or exec', 'allow shell too')
  if (actions.includes('interact') && !actions.includes('observe'))
    return refuse('invalid', 'actions: interact goes with observe', 'allow observe too')
  if (actions.includes('type-in') && !actions.includes('interact'))
    return refuse('invalid', 'actions: type-in goes with interact', 'allow interact too')
  const clipboard = actions.find((action) => clipboardActions.includes(action))
  if (clipboard !== undefined && !actions.includes('interact'))
    return refuse('invalid', `actions: ${clipboard} goes with interact`, 'allow observe and interact too')
  const forwards = canonicalForwards(input.forwards ?? [])
  return forwards.ok ? done({ actions, forwards: forwards.value }) : forwards
}

/** Refuses actions that an account's target cannot be asked for: a shell of a desktop, a look at a terminal's. */
export function fitsTarget(account: Account, actions: readonly Action[]): Outcome<null> {
  const { name, protocol } = account.target
  const sessions = needSessions(account.target)
  if (!sessions.ok) return sessions
  const file = actions.find((action) => fileActions.includes(action))
  if (isDesktop(protocol) && file !== undefined && !carriesFiles(actions))
    return refuse(
      'invalid',
      `actions: ${name} has a desktop, and ${file} goes with interact there`,
      'allow observe and interact too',
    )
  const odd = actions.find((action) => !fitsProtocol(action, protocol))
  if (odd === undefined) return done(null)
  return isDesktop(protocol)
    ? refuse(
        'invalid',
        `actions: ${name} has a desktop, and ${odd} is none of it`,
        'allow observe and interact; clipboard-in and clipboard-out where texts may go there, or come back; sftp-write and sftp-read for files',
      )
    : refuse(
        'invalid',
        `actions: ${name} has no desktop, and ${odd} is of desktops alone`,
        'allow shell, say',
      )
}

/**
 * Adds a grant within a transaction: alone, as a row of an import, which has taken its code (`takeCode`) already, or as
 * what a request led to (`approvedBy`: the names of who approved it).
 */
export async function addGrant(
  tx: Tx,
  call: Call,
  input: VerbInput<'grant.add'>,
  takeCode: typeof takeFreshCode,
  approvedBy?: string,
): Promise<Outcome<GrantView>> {
  const { world } = call
  if (input.notAfter !== undefined && input.forSeconds !== undefined)
    return refuse('invalid', 'forSeconds: give an end or a duration, not both')
  const allowed = allowedBy(input)
  if (!allowed.ok) return allowed
  const { actions, forwards } = allowed.value
  const now = tx.now.getTime()
  const notBefore = input.notBefore === undefined ? now : Date.parse(input.notBefore)
  const notAfter =
    input.notAfter === undefined
      ? notBefore + (input.forSeconds === undefined ? defaultGrant : input.forSeconds * 1000)
      : Date.parse(input.notAfter)
  const end = input.notAfter === undefined ? 'forSeconds' : 'notAfter'
  if (notAfter <= now) return refuse('invalid', `${end}: this moment has passed`, 'give a later end')
  if (notAfter <= notBefore) return refuse('invalid', `${end}: a grant ends after it begins`)
  if (notAfter - now > longestGrant)
    return refuse('invalid', `${end}: a grant ends a year from now at the latest`)

  // Shared: who disables or takes them off waits, and who connects as them does not.
  const user = await lockPerson(tx, input.user, 'share')
  if (user === undefined) return notFound('user', input.user)
  if (user.state === 'disabled')
    return refuse('conflict', `the user ${user.name} is disabled`, 'enable the user first')
  const never = whoNeverConnects(user.roles)
  if (never !== undefined)
    return refuse('conflict', `the user ${user.name} is ${never}, and ${never} connects to nothing`)
  // SECURITY: who may let people in does not let themselves in; an administrator's grant to themselves shows as such.
  const isOwn = call.principal.kind === 'user' && call.principal.id === user.id
  if (isOwn && call.principal.kind === 'user' && !call.principal.roles.includes('admin'))
    return refuse('forbidden', 'you cannot grant to yourself', 'ask another approver')
  if (isOwn) {
    const code = await takeCode(tx, call, input.totpCode)
    if (!code.ok) return code
  }
  const account = await findAccount(tx.db, tx.guard, input.account)
  if (account === undefined) return notFound('account', input.account)
  const fits = fitsTarget(account, actions)
  if (!fits.ok) return fits
  const ends = await boundByContract(tx, user, { notBefore, notAfter, field: end, input })
  if (!ends.ok) return ends

  // SECURITY: where the policy wants approvals of several, one person alone lets nobody in.
  if (approvedBy === undefined) {
    const policy = await readPolicy(tx.db, tx.guard)
    const machineAt = await machineFinder(tx.db, tx.guard, policy)
    const subject = await readSubject(tx.db, tx.guard, user)
    const { approvals } = wantedOf(policy, subject, [machineAt(account)], actions)
    if (approvals.length > 0)
      return refuse(
        'conflict',
        `the policy wants approvals for ${account.name}: ${approvals.map(({ group, count }) => `${count} of ${group}`).join(', ')}`,
        `have ${user.name} request access`,
      )
  }

  const row = await insertGuarded(tx, 'access_grant', {
    id: newId('grt', now),
    user_id: user.id,
    account_id: account.id,
    actions,
    not_before: new Date(notBefore),
    not_after: new Date(ends.value),
    max_session_seconds: input.maxSessionSeconds ?? world.settings.longestSessionSeconds,
    mode: input.mode ?? 'shared',
    reason: input.reason ?? '',
    granted_by: approvedBy ?? nameOf(call),
    created_at: tx.now,
    revoked_at: null,
    forwards: forwards.length === 0 ? null : forwards.map(encodeForward),
    rule: null,
  })
  await tx.audit({
    kind: 'grant.added',
    grant: row.id,
    user: user.id,
    userName: user.name,
    account: account.id,
    accountName: account.name,
    actions: row.actions,
    ...(forwards.length === 0 ? {} : { forwards: forwards.map(encodeForward) }),
    notBefore: row.not_before.toISOString(),
    notAfter: row.not_after.toISOString(),
    maxSessionSeconds: row.max_session_seconds,
    mode: row.mode,
    reason: row.reason,
    ...by(call),
  })
  return done(viewGrant(row, user.name, account.name, tx.now))
}

/** When the contract of the company ends that a user represents, or undefined. */
export async function contractEndOf(tx: Tx, id: UserId): Promise<Date | undefined> {
  const user = await findUser(tx.db, tx.guard, id)
  const one = user === undefined ? undefined : await representationOf(tx.db, tx.guard, user, 'share')
  return one?.company.contract_ends_at
}

/**
 * When a grant ends, in milliseconds.
 *
 * INVARIANT: a grant to a representative never outlasts their company's contract. An end that somebody named is theirs
 * to change; where none was named, it is that of the contract.
 */
async function boundByContract(
  tx: Tx,
  user: Row<'app_user'>,
  asked: {
    readonly notBefore: number
    readonly notAfter: number
    readonly field: string
    readonly input: VerbInput<'grant.add'>
  },
): Promise<Outcome<number>> {
  const one = await representationOf(tx.db, tx.guard, user, 'share')
  const barred = refuseLettingIn(one, tx.now)
  if (barred !== undefined) return barred
  const contract = one?.company.contract_ends_at
  if (one === undefined || contract === undefined || asked.notAfter <= contract.getTime())
    return done(asked.notAfter)
  const { input } = asked
  const isNamed = input.notAfter !== undefined || input.forSeconds !== undefined
  if (isNamed || asked.notBefore >= contract.getTime())
    return refuse(
      'invalid',
      `${asked.field}: the contract of ${one.company.name} ends at ${contract.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      `give an end before that, or renew it first: tagout vendor change ${one.company.name} --until DATE`,
    )
  return done(contract.getTime())
}

export const grantList: Handler<'grant.list'> = async (call, input) => {
  const { database, guard, clock } = call.world.vault
  const sight = await sightOf(call)
  let query = database
    .selectFrom('access_grant')
    .innerJoin('app_user', 'app_user.id', 'access_grant.user_id')
    .innerJoin('account', 'account.id', 'access_grant.account_id')
    .innerJoin('target', 'target.id', 'account.target_id')
    .selectAll('access_grant')
    .select(['app_user.name as user_name', 'account.login', 'target.name as target_name'])
    .orderBy('access_grant.id', 'desc')
    .limit(10_000)
  if (!sight.all) {
    const safes = sight.safesWith('approve')
    query = query.where((eb) =>
      eb.or([
        eb('access_grant.user_id', '=', sight.user),
        ...(safes.length === 0 ? [] : [eb('account.safe_id', 'in', safes)]),
      ]),
    )
  }
  if (input.user !== undefined) {
    const user = await findUser(database, guard, input.user)
    if (user === undefined) return sight.all ? notFound('user', input.user) : done([])
    query = query.where('access_grant.user_id', '=', user.id)
  }
  if (input.account !== undefined) {
    const account = await findAccount(database, guard, input.account)
    if (account === undefined) return sight.all ? notFound('account', input.account) : done([])
    query = query.where('access_grant.account_id', '=', account.id)
  }
  const rows = await query.execute()
  checked(guard, 'access_grant', rows)
  return done(rows.map((row) => viewGrant(row, row.user_name, `${row.target_name}/${row.login}`, clock())))
}

/** Takes a grant back. Sessions under it are cut within three seconds. */
export const grantRevoke: Handler<'grant.revoke'> = async (call, { grant: id }) =>
  transact(call.world, async (tx) => {
    const grant = checkedOne(
      tx.guard,
      'access_grant',
      await tx.db.selectFrom('access_grant').selectAll().where('id', '=', id).forUpdate().executeTakeFirst(),
    )
    if (grant === undefined) return notFound('grant', id)
    if (grant.revoked_at !== null) return refuse('conflict', 'this grant was revoked before')
    if (grant.rule !== null)
      return refuse(
        'conflict',
        `this grant is of the rule “${grant.rule}” of the policy, which would make it again`,
        'change the policy (tagout policy apply), or disable the user',
      )
    const user = await findUser(tx.db, tx.guard, grant.user_id)
    const account = await readAccount(tx.db, tx.guard, grant.account_id)
    if (user === undefined || account === undefined) return notFound('grant', id)
    const after = await updateGuarded(tx, 'access_grant', grant, { revoked_at: tx.now })
    await tx.audit({
      kind: 'grant.revoked',
      grant: id,
      user: user.id,
      userName: user.name,
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    tx.afterCommit(() => cutSessionsOf(call, id))
    return done(viewGrant(after, user.name, account.name, tx.now))
  })

function cutSessionsOf(call: Call, grant: GrantId): void {
  const { live } = call.world
  for (const session of live.where((one) => one.grant === grant))
    live.cut(session, { reason: 'grant revoked', message: 'your grant was revoked' })
}
