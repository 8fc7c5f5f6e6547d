import type { ExpressionBuilder, Kysely } from 'kysely'
import type { Account } from '../accounts/account.ts'
import { encodeForward } from '../checkout/forward.ts'
import { opensSessions, type Protocol, protocols, type RuleAction } from '../contract/words.ts'
import type { Database } from '../db/tables.ts'
import type { AccountId } from '../kernel/id.ts'
import { newId } from '../kernel/id.ts'
import {
  type AccessRule,
  allowingRules,
  type Circumstances,
  concernsResource,
  concernsUser,
  limitingRules,
  type Machine,
  type Policy,
  type RuleFacts,
  ruleAt,
  type Subject,
} from '../policy/access-rule.ts'
import { isOfSession } from '../policy/session.ts'
import { type Checker, checked, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import type { Tx } from '../transaction.ts'
import { representationOf } from '../vendors/standing.ts'
import { resourceOf } from './machine.ts'
import { readPolicy } from './policy.ts'

type Db = Kysely<Database>

/** Milliseconds for which a rule's grant is good; where it is used later, another one is made. */
const ruleGrantLife = 366 * 24 * 3600_000

/** What the policy says of somebody's use of something, under their circumstances. */
export function factsOf(
  policy: Policy,
  subject: Subject,
  machine: Machine,
  circumstances: Circumstances,
): { readonly allowing: readonly RuleFacts[]; readonly limits: readonly RuleFacts[] } {
  const at = (rule: AccessRule) => ruleAt(policy, rule, circumstances)
  return {
    allowing: allowingRules(policy, subject, machine).map(at),
    limits: limitingRules(policy, subject, machine).map(at),
  }
}

/**
 * Accounts that a rule lets somebody use, now or at another time: of all, or of those named, at their own target or
 * at `at`, which they are bound to.
 */
export async function standingAccounts(
  db: Db,
  checker: Checker,
  subject: Subject,
  among?: readonly AccountId[],
  at?: Row<'target'>,
): Promise<
  readonly {
    readonly id: AccountId
    readonly name: string
    readonly protocol: Protocol
    readonly rules: readonly AccessRule[]
  }[]
> {
  const policy = await readPolicy(db, checker)
  const concerning = policy.rules.filter(
    (rule) => protocols.some((one) => letsUse(rule, one)) && concernsUser(policy, rule, subject),
  )
  if (concerning.length === 0 || among?.length === 0) return []
  let query = db
    .selectFrom('account')
    .selectAll()
    .where('removed_at', 'is', null)
    .orderBy('id')
    .limit(100_000)
  if (among !== undefined) query = query.where('id', 'in', among)
  else query = query.where((eb) => eb.or(namedBy(eb, concerning)))
  const accounts = checked(checker, 'account', await query.execute())
  if (accounts.length === 0) return []
  const ids = [...new Set(accounts.map((account) => account.target_id))]
  const targets = new Map(
    checked(
      checker,
      'target',
      await db.selectFrom('target').selectAll().where('id', 'in', ids).execute(),
    ).map((row) => [row.id, row]),
  )
  return accounts.flatMap((account) => {
    const target = targets.get(account.target_id)
    if (target === undefined) return []
    const resource = resourceOf({ ...account, target }, at)
    const { protocol } = at ?? target
    const rules = concerning.filter((rule) => letsUse(rule, protocol) && concernsResource(rule, resource))
    return rules.length === 0
      ? []
      : [{ id: account.id, name: `${target.name}/${account.login}`, protocol, rules }]
  })
}

/**
 * Does a rule let people use an account of this protocol? Who may see a secret by one, or watch, is shown the account by
 * that alone.
 */
function letsUse({ document }: AccessRule, protocol: Protocol): boolean {
  return document.effect === 'allow' && document.actions.some((action) => isUse(action, protocol))
}

/** Is an act one for which an account is held? Where no session opens, that is to see its secret. */
export function isUse(action: RuleAction, protocol: Protocol): boolean {
  return opensSessions(protocol) ? isOfSession(action) : action === 'reveal'
}

/** The accounts that rules name, so that nobody's list reads those of the whole plant. */
function namedBy(eb: ExpressionBuilder<Database, 'account'>, rules: readonly AccessRule[]) {
  if (rules.some(({ document }) => document.what.everything === true)) return [eb.lit(true)]
  const all = <T>(of: (rule: AccessRule) => ReadonlySet<T>) => [
    ...new Set(rules.flatMap((rule) => [...of(rule)])),
  ]
  const safes = all((rule) => rule.safes)
  const targets = all((rule) => rule.targets)
  const accounts = all((rule) => rule.accounts)
  return [
    ...(safes.length === 0 ? [] : [eb('safe_id', 'in', safes)]),
    ...(targets.length === 0 ? [] : [eb('target_id', 'in', targets)]),
    ...(accounts.length === 0 ? [] : [eb('id', 'in', accounts)]),
  ]
}

/**
 * The grant by which a rule lets somebody in: what leases and sessions are under. It is one of the rule's, so it holds
 * nothing by itself: the rule is asked each time.
 */
export async function grantOfRule(
  tx: Tx,
  rule: RuleFacts,
  user: Row<'app_user'>,
  account: Account,
): Promise<Row<'access_grant'>> {
  const actions = rule.actions.filter(isOfSession)
  const forwards = rule.forwards.length === 0 ? null : rule.forwards.map(encodeForward)
  const mode = rule.exclusive ? 'exclusive' : 'shared'
  const made = checked(
    tx.guard,
    'access_grant',
    await tx.db
      .selectFrom('access_grant')
      .selectAll()
      .where('user_id', '=', user.id)
      .where('account_id', '=', account.id)
      .where('rule', '=', rule.name)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', tx.now)
      .forUpdate()
      .execute(),
  )
  const [found] = made
  const longest = rule.longestSeconds ?? ruleGrantLife / 1000
  const allowed = { actions, mode, max_session_seconds: longest, forwards } as const
  if (found !== undefined) {
    const isSame =
      found.actions.join() === actions.join() &&
      found.mode === mode &&
      (found.forwards ?? []).join() === (forwards ?? []).join() &&
      found.max_session_seconds === allowed.max_session_seconds
    return isSame ? found : updateGuarded(tx, 'access_grant', found, allowed)
  }
  const contract = (await representationOf(tx.db, tx.guard, user))?.company.contract_ends_at.getTime()
  const row = await insertGuarded(tx, 'access_grant', {
    id: newId('grt', tx.now.getTime()),
    user_id: user.id,
    account_id: account.id,
    not_before: tx.now,
    not_after: new Date(Math.min(tx.now.getTime() + ruleGrantLife, contract ?? Number.POSITIVE_INFINITY)),
    ...allowed,
    reason: `rule ${rule.name}`,
    granted_by: `policy, rule ${rule.name}`,
    created_at: tx.now,
    revoked_at: null,
    rule: rule.name,
  })
  await tx.audit({
    kind: 'grant.added',
    grant: row.id,
    user: user.id,
    userName: user.name,
    account: account.id,
    accountName: account.name,
    actions: row.actions,
    ...(forwards === null ? {} : { forwards }),
    notBefore: row.not_before.toISOString(),
    notAfter: row.not_after.toISOString(),
    maxSessionSeconds: row.max_session_seconds,
    mode: row.mode,
    reason: row.reason,
    actor: { kind: 'vault' },
  })
  return row
}
