import { standingAccounts } from './access/standing.ts'
import { readSubject } from './access/subject.ts'
import { ruledFinder } from './access/ruled.ts'
import type { Circumstances } from './policy/access-rule.ts'
import { type Account, findAccount, readAccount } from './accounts/account.ts'
import type { Permission } from './contract.ts'
import { factorOfLogin } from './identity/factor.ts'
import { whySame } from './identity/same-person.ts'
import { findUser } from './identity/user.ts'
import type {
  AccountId,
  GrantId,
  HandOverId,
  LeaseId,
  RequestId,
  RotationId,
  SafeId,
  TaskId,
  UserId,
} from './kernel/id.ts'
import { noRelation, type Relation } from './policy/facts.ts'
import { mayHold } from './policy/roles.ts'
import { type Rule, rules } from './policy/rules.ts'
import { checked, checkedOne } from './rows.ts'
import { findSafe } from './safes/safe.ts'
import { findCompany } from './vendors/company.ts'
import { findTarget } from './targets/target.ts'
import type { Tx } from './transaction.ts'
import { type Call, type Relations, userOf } from './world.ts'

/** The permissions of the user who asks, on one safe. */
async function permissionsOn(call: Call, safe: SafeId): Promise<readonly Permission[]> {
  const { database, guard } = call.world.vault
  const row = await database
    .selectFrom('safe_member')
    .selectAll()
    .where('safe_id', '=', safe)
    .where('user_id', '=', userOf(call).id)
    .executeTakeFirst()
  return checkedOne(guard, 'safe_member', row)?.permissions ?? []
}

/** What the user who asks may do in each safe, as this transaction sees it. */
export async function permissionsIn(
  tx: Tx,
  call: Call,
): Promise<(safe: SafeId, ...wanted: readonly Permission[]) => boolean> {
  const rows = await tx.db
    .selectFrom('safe_member')
    .selectAll()
    .where('user_id', '=', userOf(call).id)
    .execute()
  const members = checked(tx.guard, 'safe_member', rows)
  const { roles } = userOf(call)
  return (safe, ...wanted) =>
    members.some(
      (member) =>
        member.safe_id === safe &&
        wanted.every((one) => mayHold(roles, one) && member.permissions.includes(one)),
    )
}

/** Does the user who asks hold a grant on one of these accounts that is valid now, or does a rule let them use one? */
async function isGranted(call: Call, accounts: readonly AccountId[]): Promise<boolean> {
  if (accounts.length === 0) return false
  const { database, guard, clock } = call.world.vault
  const now = clock()
  const rows = await database
    .selectFrom('access_grant')
    .selectAll()
    .where('user_id', '=', userOf(call).id)
    .where('account_id', 'in', accounts)
    .where('rule', 'is', null)
    .where('revoked_at', 'is', null)
    .where('not_before', '<=', now)
    .where('not_after', '>', now)
    .execute()
  if (checked(guard, 'access_grant', rows).length > 0) return true
  const subject = await readSubject(database, guard, userOf(call))
  return (await standingAccounts(database, guard, subject, accounts)).length > 0
}

async function ofSafe(call: Call, safe: SafeId, own = false): Promise<Relation> {
  return { ...noRelation, own, permissions: await permissionsOn(call, safe) }
}

async function ofUser(call: Call, reference: string): Promise<Relation> {
  const { database, guard } = call.world.vault
  const user = await findUser(database, guard, reference)
  return { ...noRelation, own: user?.id === userOf(call).id }
}

async function ofTarget(call: Call, reference: string): Promise<Relation> {
  const { database, guard } = call.world.vault
  const target = await findTarget(database, guard, reference)
  if (target === undefined) return noRelation
  const bound = await database
    .selectFrom('binding')
    .select('account_id')
    .where('target_id', '=', target.id)
    .execute()
  const granted = await isGranted(
    call,
    bound.map((row) => row.account_id),
  )
  return { ...(await ofSafe(call, target.safe_id)), granted }
}

async function ofAccount(call: Call, reference: string): Promise<Relation> {
  const { database, guard } = call.world.vault
  const account = await findAccount(database, guard, reference)
  if (account === undefined) return noRelation
  return { ...(await ofSafe(call, account.safe_id)), granted: await isGranted(call, [account.id]) }
}

/** What a rule lets the user who asks do with an account now: see its secret, or watch who uses it. */
async function ruledAt(
  call: Call,
  action: 'reveal' | 'watch',
  account: Account | undefined,
  target = account?.target,
): Promise<Pick<Relation, 'ruled'>> {
  if (account === undefined || target === undefined) return { ruled: [] }
  const { database, guard, clock } = call.world.vault
  const subject = await readSubject(database, guard, userOf(call))
  const rulesFor = await ruledFinder(database, guard, subject, action)
  // Who sees a secret shows a second factor for it; who watches showed it when they signed in.
  const given = action === 'reveal' ? { factorAt: clock().getTime() } : {}
  const rules = rulesFor({ account, target }, { ...(await circumstancesOf(call)), ...given })
  // Whom a rule shows a secret at another time is told when that is, by the verb.
  return { ruled: rules.some(({ unmet }) => unmet === null || action === 'reveal') ? [action] : [] }
}

/** When, from where and with which factor somebody asks who is signed in. */
export async function circumstancesOf(call: Call): Promise<Circumstances> {
  const source = call.source === undefined ? {} : { source: call.source }
  return {
    now: call.world.vault.clock().getTime(),
    factorAt: await factorOfLogin(call.world, userOf(call).login.id),
    ...source,
  }
}

async function ofHeld(
  call: Call,
  held: { readonly user_id: string; readonly account_id: AccountId } | undefined,
): Promise<Relation> {
  const { database, guard } = call.world.vault
  if (held === undefined) return noRelation
  const account = await readAccount(database, guard, held.account_id)
  if (account === undefined) return noRelation
  return {
    ...(await ofSafe(call, account.safe_id, held.user_id === userOf(call).id)),
    ...(await aliasOf(call, held)),
  }
}

/** Whether what is another user's is the asker's own all the same, where that makes a difference. */
async function aliasOf(call: Call, held: { readonly user_id: string }): Promise<Pick<Relation, 'alias'>> {
  const { database, guard } = call.world.vault
  const { id } = userOf(call)
  const rule: Rule = rules[call.act.verb]
  if (rule.notOwn === undefined || held.user_id === id) return {}
  const alias = await whySame(database, guard, id, held.user_id as UserId)
  return alias === undefined ? {} : { alias }
}

/** A safe, by the verbs that only a safe's members or administrators may ask. */
async function ofSafeNamed(call: Call, reference: string): Promise<Relation> {
  const { database, guard } = call.world.vault
  const safe = await findSafe(database, guard, reference)
  return safe === undefined ? noRelation : ofSafe(call, safe.id)
}

async function ofRequest(call: Call, request: RequestId): Promise<Relation> {
  const { database, guard } = call.world.vault
  const row = await database
    .selectFrom('access_request')
    .selectAll()
    .where('id', '=', request)
    .executeTakeFirst()
  return ofHeld(call, checkedOne(guard, 'access_request', row))
}

async function ofRotation(call: Call, rotation: RotationId): Promise<Relation> {
  const row = await call.world.vault.database
    .selectFrom('rotation_run')
    .select('account_id')
    .where('id', '=', rotation)
    .executeTakeFirst()
  return row === undefined ? noRelation : ofAccount(call, row.account_id)
}

/** A task is that of who has it in hand; of the safe of its account as any other thing. */
async function ofTask(call: Call, task: TaskId): Promise<Relation> {
  const { database, guard } = call.world.vault
  const found = await database
    .selectFrom('rotation_task')
    .selectAll()
    .where('id', '=', task)
    .executeTakeFirst()
  const row = checkedOne(guard, 'rotation_task', found)
  if (row === undefined) return noRelation
  return row.changer_id === null
    ? ofAccount(call, row.account_id)
    : ofHeld(call, { user_id: row.changer_id, account_id: row.account_id })
}

async function ofGrant(call: Call, grant: GrantId): Promise<Relation> {
  const row = await call.world.vault.database
    .selectFrom('access_grant')
    .select(['user_id', 'account_id'])
    .where('id', '=', grant)
    .executeTakeFirst()
  return ofHeld(call, row)
}

async function ofLease(call: Call, lease: LeaseId): Promise<Relation> {
  const row = await call.world.vault.database
    .selectFrom('lease')
    .select(['user_id', 'account_id'])
    .where('id', '=', lease)
    .executeTakeFirst()
  return ofHeld(call, row)
}

/** A hand-over is that of both. */
async function ofHandOver(call: Call, handOver: HandOverId): Promise<Relation> {
  const { database, guard } = call.world.vault
  const found = await database
    .selectFrom('hand_over')
    .selectAll()
    .where('id', '=', handOver)
    .executeTakeFirst()
  const row = checkedOne(guard, 'hand_over', found)
  const { id } = userOf(call)
  return { ...noRelation, own: row?.from_user_id === id || row?.to_user_id === id }
}

/** A company is its sponsor's own. */
async function ofCompany(call: Call, reference: string): Promise<Relation> {
  const { database, guard } = call.world.vault
  const company = await findCompany(database, guard, reference)
  return { ...noRelation, own: company?.sponsor_id === userOf(call).id }
}

/**
 * How they stand to a session.
 *
 * SECURITY: of one that there is not, as much is read as of one that there is: the time that an answer takes does not say
 * whose ids there are.
 */
async function ofSession(call: Call, column: 'id' | 'recording_id', value: string): Promise<Relation> {
  const sessions = call.world.vault.database.selectFrom('session').select(['user_id', 'account_id'])
  const row = await sessions.where(column, '=', value as never).executeTakeFirst()
  if (row !== undefined) return ofHeld(call, row)
  await ofHeld(call, await sessions.limit(1).executeTakeFirst())
  return noRelation
}

/** How the asking user stands to what each verb is about. Verbs that are missing here are about nothing. */
export const relations: Relations = {
  'user.show': (call, input) => ofUser(call, input.user),
  'user.roles': (call, input) => ofUser(call, input.user),
  'user.disable': (call, input) => ofUser(call, input.user),
  'user.enable': (call, input) => ofUser(call, input.user),
  'user.enrol': (call, input) => ofUser(call, input.user),
  'user.samePerson': async (call, input) => {
    const { database, guard } = call.world.vault
    const user = await findUser(database, guard, input.user)
    const alias = user === undefined ? {} : await aliasOf(call, { user_id: user.id })
    return { ...(await ofUser(call, input.user)), ...alias }
  },
  'user.mail': (call, input) => ofUser(call, input.user),
  'user.key.add': (call, input) => ofUser(call, input.user),
  'user.key.list': (call, input) => ofUser(call, input.user),
  'user.key.remove': (call, input) => ofUser(call, input.user),
  'passkey.list': (call, input) => ofUser(call, input.user),
  'passkey.remove': (call, input) => ofUser(call, input.user),
  'login.revokeAll': (call, input) => ofUser(call, input.user),
  'user.off': (call, input) => ofUser(call, input.user),
  'company.show': (call, input) => ofCompany(call, input.company),
  'company.terms': (call, input) => ofCompany(call, input.company),
  'company.off': (call, input) => ofCompany(call, input.company),
  'offboarding.show': async (call, { offboarding }) => {
    const { database, guard } = call.world.vault
    const row = checkedOne(
      guard,
      'offboarding',
      await database.selectFrom('offboarding').selectAll().where('id', '=', offboarding).executeTakeFirst(),
    )
    const company = row?.company_id ?? null
    return company === null ? noRelation : ofCompany(call, company)
  },
  'login.revoke': async (call, { login }) => {
    const { database } = call.world.vault
    const row = await database
      .selectFrom('login')
      .select('user_id')
      .where('id', '=', login)
      .executeTakeFirst()
    return { ...noRelation, own: row?.user_id === userOf(call).id }
  },
  'target.add': (call, input) => ofSafeNamed(call, input.safe),
  'target.show': (call, input) => ofTarget(call, input.target),
  'target.change': (call, input) => ofTarget(call, input.target),
  'target.address': (call, input) => ofTarget(call, input.target),
  'target.scan': (call, input) => ofTarget(call, input.target),
  'target.pin': (call, input) => ofTarget(call, input.target),
  'target.legacy': (call, input) => ofTarget(call, input.target),
  'target.mask': (call, input) => ofTarget(call, input.target),
  'target.remove': (call, input) => ofTarget(call, input.target),
  'account.add': (call, input) => ofTarget(call, input.target),
  'account.show': (call, input) => ofAccount(call, input.account),
  'account.secret': (call, input) => ofAccount(call, input.account),
  'account.bind': (call, input) => ofAccount(call, input.account),
  'account.elevation': (call, input) => ofAccount(call, input.account),
  'account.type-ins': (call, input) => ofAccount(call, input.account),
  'account.files': (call, input) => ofAccount(call, input.account),
  'account.remove': (call, input) => ofAccount(call, input.account),
  'account.reveal': async (call, input) => {
    const { database, guard } = call.world.vault
    const account = await findAccount(database, guard, input.account)
    return { ...(await ofAccount(call, input.account)), ...(await ruledAt(call, 'reveal', account)) }
  },
  'exposure.list': async (call, { account }) =>
    account === undefined ? noRelation : ofAccount(call, account),
  'exposure.due': async (call, { exposure }) => {
    const row = await call.world.vault.database
      .selectFrom('exposure')
      .select(['user_id', 'account_id'])
      .where('id', '=', exposure)
      .executeTakeFirst()
    return ofHeld(call, row)
  },
  'rotation.settings': (call, input) => ofAccount(call, input.account),
  'rotation.ledger': (call, input) => ofAccount(call, input.account),
  'rotation.set': (call, input) => ofAccount(call, input.account),
  'rotation.plan': (call, input) => ofAccount(call, input.account),
  'rotation.start': (call, input) => ofAccount(call, input.account),
  'rotation.verify': (call, input) => ofAccount(call, input.account),
  'rotation.leak': (call, input) => ofAccount(call, input.account),
  'rotation.show': (call, input) => ofRotation(call, input.run),
  'rotation.cancel': (call, input) => ofRotation(call, input.run),
  'rotation.retry': (call, input) => ofRotation(call, input.run),
  'rotation.hold': (call, input) => ofSafeNamed(call, input.safe),
  'rotation.unhold': (call, input) => ofSafeNamed(call, input.safe),
  'task.take': (call, input) => ofTask(call, input.task),
  'task.approve': (call, input) => ofTask(call, input.task),
  'task.reveal': (call, input) => ofTask(call, input.task),
  'task.make': (call, input) => ofTask(call, input.task),
  'task.sign': (call, input) => ofTask(call, input.task),
  'task.release': (call, input) => ofTask(call, input.task),
  'task.drop': (call, input) => ofTask(call, input.task),
  'task.postpone': (call, input) => ofTask(call, input.task),
  'grant.add': (call, input) => ofAccount(call, input.account),
  'grant.revoke': (call, { grant }) => ofGrant(call, grant),
  'request.add': (call, input) => ofAccount(call, input.account),
  'request.extend': (call, input) => ofGrant(call, input.grant),
  'request.show': (call, input) => ofRequest(call, input.request),
  'request.withdraw': (call, input) => ofRequest(call, input.request),
  'request.decide': (call, input) => ofRequest(call, input.request),
  'breakglass.open': (call, input) => ofAccount(call, input.account),
  'breakglass.review': async (call, { breakGlass }) => {
    const { database, guard } = call.world.vault
    const row = await database
      .selectFrom('break_glass')
      .selectAll()
      .where('id', '=', breakGlass)
      .executeTakeFirst()
    return ofHeld(call, checkedOne(guard, 'break_glass', row))
  },
  'lease.checkOut': (call, input) => ofAccount(call, input.account),
  'lease.checkIn': (call, { lease }) => ofLease(call, lease),
  'lease.wait': (call, input) => ofAccount(call, input.account),
  'lease.leave': async (call, { wait }) => {
    const { database, guard } = call.world.vault
    const row = await database.selectFrom('lease_wait').selectAll().where('id', '=', wait).executeTakeFirst()
    return ofHeld(call, checkedOne(guard, 'lease_wait', row))
  },
  'handover.offer': (call, { lease }) => ofLease(call, lease),
  'handover.accept': (call, { handOver }) => ofHandOver(call, handOver),
  'handover.end': (call, { handOver }) => ofHandOver(call, handOver),
  'favourite.set': (call, input) => ofAccount(call, input.account),
  'ticket.issue': (call, input) => ofAccount(call, input.account),
  'closeout.show': (call, input) => ofSession(call, 'id', input.session),
  'closeout.fill': (call, input) => ofSession(call, 'id', input.session),
  'session.show': (call, input) => ofSession(call, 'id', input.session),
  'session.terminate': (call, input) => ofSession(call, 'id', input.session),
  'session.freeze': (call, input) => ofSession(call, 'id', input.session),
  'session.unfreeze': (call, input) => ofSession(call, 'id', input.session),
  'session.watch': async (call, input) => {
    const relation = await ofSession(call, 'id', input.session)
    const asked = call.world.live.get(input.session)
    // SECURITY: as much is read where it is none, as above.
    const session = asked ?? call.world.live.all()[0]
    if (session === undefined) return relation
    const { database, guard } = call.world.vault
    const account = await readAccount(database, guard, session.account)
    const target = await findTarget(database, guard, session.target)
    const ruled = await ruledAt(call, 'watch', account, target)
    return asked === undefined ? relation : { ...relation, ...ruled }
  },
  'session.take': (call, input) => ofSession(call, 'id', input.session),
  'session.giveBack': (call, input) => ofSession(call, 'id', input.session),
  'session.message': (call, input) => ofSession(call, 'id', input.session),
  'hold.release': async (call, { hold }) => {
    const { database, guard } = call.world.vault
    const row = checkedOne(
      guard,
      'hold',
      await database.selectFrom('hold').selectAll().where('id', '=', hold).executeTakeFirst(),
    )
    if (row === undefined) return noRelation
    const own = row.user_id === userOf(call).id
    return { ...(await ofSafe(call, row.safe_id, own)), ...(await aliasOf(call, row)) }
  },
  'recording.show': (call, input) => ofSession(call, 'recording_id', input.recording),
  'risk.review': async (call, { mark }) => {
    const { database, guard } = call.world.vault
    const row = await database.selectFrom('risk_mark').selectAll().where('id', '=', mark).executeTakeFirst()
    return ofHeld(call, checkedOne(guard, 'risk_mark', row))
  },
  'recording.review': (call, input) => ofSession(call, 'recording_id', input.recording),
}
