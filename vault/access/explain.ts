import { type Account, currentCredential, findAccount } from '../accounts/account.ts'
import { isBoundTo } from '../accounts/binding.ts'
import { forwardName } from '../checkout/forward.ts'
import {
  type Action,
  opensSessions,
  type Permission,
  type PolicyAnswer,
  type ReachView,
} from '../contract.ts'
import { readLinks } from '../identity/auditor.ts'
import { othersOf } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { done, refuse } from '../kernel/outcome.ts'
import { utcMinute } from '../kernel/plant-time.ts'
import { whoText } from '../kernel/who.ts'
import { notFound } from '../not-found.ts'
import type { Policy, RuleFacts } from '../policy/access-rule.ts'
import type { RuleAction } from '../contract/words.ts'
import { ruleConditions } from '../policy/conditions.ts'
import { mayHold, whoNeverConnects } from '../policy/roles.ts'
import {
  askFirst,
  type CompanyFacts,
  decideAccess,
  decideCompany,
  decideLimits,
  decideSession,
  isUnknown,
} from '../policy/session.ts'
import { checked, checkedOne, type Row } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { handsOff, heldOff } from '../sessions/hold.ts'
import { switchBefore } from '../switches/switches.ts'
import { needSessions } from '../targets/no-session.ts'
import { findTarget, legacyOf, pinsOf } from '../targets/target.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import type { Call, Handler, Input } from '../world.ts'
import { companyFacts, type Representation, representationOf } from '../vendors/standing.ts'
import { findCompany } from '../vendors/company.ts'
import { representativesOf } from '../vendors/people.ts'
import { elevationOf } from '../accounts/elevation.ts'
import { glassActions } from '../breakglass/actions.ts'
import { accessFacts, grantFacts, requestedGrants } from './facts.ts'
import { isApproved, quorumsAt } from './limits.ts'
import { machineFinder } from './machine.ts'
import { readPolicy } from './policy.ts'
import { readSubject, readSubjects } from './subject.ts'

/** Says whether somebody may do something with an account at a moment, and everything that decides it. */
export const policyExplain: Handler<'policy.explain'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const user = await findUser(tx.db, tx.guard, input.user)
    if (user === undefined) return notFound('user', input.user)
    const account = await findAccount(tx.db, tx.guard, input.account)
    if (account === undefined) return notFound('account', input.account)
    const target =
      input.target === undefined ? account.target : await findTarget(tx.db, tx.guard, input.target)
    if (target === undefined) return notFound('target', input.target ?? '')
    const wants = input.action ?? 'shell'
    if ((wants === 'forward') !== (input.forward !== undefined))
      return refuse('invalid', 'forward: a destination goes with the action forward', 'give both, or neither')
    const policy = await readPolicy(tx.db, tx.guard)
    const grants = await grantsOf(tx, [user.id], [account.id])
    const quorums = await quorumsAt(tx, policy, user, account, target)
    const requested = await requestedGrants(tx.db, tx.guard, policy, grants, quorums)
    const now = input.at === undefined ? tx.now.getTime() : Date.parse(input.at)
    const circumstances = { now, ...(input.source === undefined ? {} : { source: input.source }) }
    const machineAt = await machineFinder(tx.db, tx.guard, policy)
    const facts = accessFacts(
      policy,
      user,
      await readSubject(tx.db, tx.guard, user),
      machineAt(account, target),
      grants.map((grant) => grantFacts(grant, requested)),
      circumstances,
      call.world.settings.longestSessionSeconds,
      companyOf(await representationOf(tx.db, tx.guard, user)),
    )
    const others = await otherTargetsOf(tx, account, target)
    const stops = await stopsOf(tx, call, user, account, target, input.at === undefined ? undefined : now)
    const steps = [
      ...grants.map((grant) => grantStep(grant, wants, now)),
      ...facts.allowing.map((rule) => ruleStep(rule, 'allows', wants)),
      ...facts.limits.map((rule) => ruleStep(rule, 'limits', wants)),
      ...(facts.company === null ? [] : [contractStep(facts.company, now)]),
      ...stops.map(({ what, text }) => ({ what, effect: 'limits', holds: false, text }) as const),
      ...(others.length === 0 ? [] : [othersStep(others)]),
      ...(await othersOf(tx.db, tx.guard, user)).map(personStep),
    ]
    const company = facts.company === null ? undefined : decideCompany(facts.company, now)
    const barred = company === undefined ? undefined : refused(company.why, company.next, steps)
    if (barred !== undefined) return done(barred)
    if (wants === 'reveal') return done(await explainReveal(tx, policy, user, account, facts, steps))
    const sessions = needSessions(target)
    if (!sessions.ok) return done(refused(sessions.refusal.message, sessions.refusal.next ?? null, steps))
    if (wants === 'watch') return done(await explainWatch(tx, user, account, facts, steps))
    const decision = decideSession({
      ...facts,
      wants,
      ...(input.forward === undefined ? {} : { forward: input.forward }),
      pins: pinsOf(target).length,
      isBound: await isBoundTo(tx, account, target),
      hasCredential: (await currentCredential(tx.db, tx.guard, account.id)) !== undefined,
      auditors: (await readLinks(tx.db, tx.guard)).length,
      legacyUntil: legacyOf(target)?.until.getTime() ?? null,
    })
    if (decision.kind === 'deny')
      return done(
        isUnknown(decision)
          ? refused(...whyNothing(user, account, target), steps)
          : refused(decision.why, decision.next, steps),
      )
    const [stop] = stops
    if (stop !== undefined) return done(refused(stop.text, stop.next, steps))
    return done({
      allowed: true,
      sentence: `${user.name} may: by ${decision.by.kind === 'rule' ? `the rule “${facts.allowing[decision.by.index]?.name ?? ''}”` : `grant ${grants[decision.by.index]?.id ?? ''}`}`,
      next: null,
      endsAt: new Date(decision.endsAt).toISOString(),
      exclusive: decision.exclusive,
      steps,
    })
  })

type Steps = PolicyAnswer['steps']
type Said = ReturnType<typeof accessFacts>

/** Why nothing lets somebody in, for who may know: the user and the account are there. */
function whyNothing(
  user: Row<'app_user'>,
  account: Account,
  target: Row<'target'>,
): readonly [string, string] {
  const lonely = whoNeverConnects(user.roles)
  if (user.state === 'disabled')
    return [`${user.name} was turned off`, `let them in again: tagout user enable ${user.name}`]
  if (lonely !== undefined)
    return [`${user.name} is ${lonely}, who connects to nothing`, 'have somebody else do it']
  const where = target.id === account.target.id ? '' : ` at ${target.name}`
  return [
    `no grant is ${user.name}’s for ${account.name}${where}, and no rule lets them in`,
    `have them request access, or: tagout grant add ${user.name} ${account.name} --for 2h`,
  ]
}

function refused(sentence: string, next: string | null, steps: Steps): PolicyAnswer {
  return { allowed: false, sentence, next, endsAt: null, exclusive: false, steps }
}

/** The other targets that an account can be used on: what is said of one need not hold on them. */
async function otherTargetsOf(tx: Tx, account: Account, target: Row<'target'>): Promise<readonly string[]> {
  const bindings = checked(
    tx.guard,
    'binding',
    await tx.db.selectFrom('binding').selectAll().where('account_id', '=', account.id).execute(),
  )
  const ids = bindings.map((row) => row.target_id).filter((id) => id !== target.id)
  if (ids.length === 0) return []
  const rows = await tx.db
    .selectFrom('target')
    .selectAll()
    .where('id', 'in', ids)
    .where('removed_at', 'is', null)
    .orderBy('name')
    .execute()
  return checked(tx.guard, 'target', rows).map(({ name }) => name)
}

/** Who counts for nothing where somebody else must answer, watch or review. */
function personStep(other: { readonly name: string; readonly why: string }): Steps[number] {
  const text = `${other.name} is the same person (${other.why}): their approval of what this one asks for does not count`
  return { what: `user ${other.name}`, effect: 'nothing', holds: true, text }
}

function othersStep(others: readonly string[]): Steps[number] {
  const text = `the account is used on ${others.join(', ')} too, where it may be otherwise: ask for each`
  return { what: 'other targets', effect: 'nothing', holds: true, text }
}

/**
 * What keeps somebody off a machine whatever lets them in: a hold, a session of theirs that is frozen, a plant switch.
 * Of another moment than now only holds are known.
 */
async function stopsOf(
  tx: Tx,
  { world }: Call,
  user: Row<'app_user'>,
  account: Account,
  target: Row<'target'>,
  at: number | undefined,
): Promise<readonly { readonly what: string; readonly text: string; readonly next: string }[]> {
  const then = at === undefined ? tx : { ...tx, now: new Date(at) }
  const off = at === undefined ? await switchBefore(tx, world, account.safe_id) : undefined
  const to = { user: user.id, account: account.id, target }
  const free = at === undefined ? await handsOff(tx, world, to) : await heldOff(then, world, user.id, target)
  return [
    ...(off === undefined
      ? []
      : [
          {
            what: `plant switch ${off}`,
            text: `the plant switch ${off} is off: until it is on, nobody connects to what is in ${account.target.name}’s safe, whatever lets them in`,
            next: 'have it turned on at the plant: nothing here does',
          },
        ]),
    ...(free.ok ? [] : [{ what: 'hold', text: free.refusal.message, next: free.refusal.next ?? '' }]),
  ]
}

async function permissionsOf(
  tx: Tx,
  user: Row<'app_user'>,
  account: Account,
): Promise<readonly Permission[]> {
  const member = checkedOne(
    tx.guard,
    'safe_member',
    await tx.db
      .selectFrom('safe_member')
      .selectAll()
      .where('safe_id', '=', account.safe_id)
      .where('user_id', '=', user.id)
      .executeTakeFirst(),
  )
  return member?.permissions ?? []
}

/** By a permission on the safe, or by a rule that holds, whoever may do what is no session. */
function byWhat(permitted: string | undefined, wants: 'reveal' | 'watch', { allowing }: Said) {
  const rules = allowing.filter(({ actions }) => actions.includes(wants))
  const open = rules.find(({ unmet }) => unmet === null)
  return {
    by: permitted ?? (open === undefined ? undefined : `the rule “${open.name}”`),
    closed: rules.find(({ unmet }) => unmet !== null),
  }
}

async function explainReveal(
  tx: Tx,
  policy: Policy,
  user: Row<'app_user'>,
  account: Account,
  facts: Said,
  steps: Steps,
): Promise<PolicyAnswer> {
  const permitted = (await permissionsOf(tx, user, account)).includes('reveal')
  const { by, closed } = byWhat(permitted ? 'reveal on the safe' : undefined, 'reveal', facts)
  if (user.state !== 'active' || !mayHold(user.roles, 'reveal') || by === undefined) {
    const denial = closed === undefined ? undefined : decideLimits([closed])
    return refused(
      denial?.why ??
        `${user.name} has no permission reveal on the safe, and no rule lets them see the secret`,
      denial?.next ?? 'give reveal on the safe: tagout safe member set',
      steps,
    )
  }
  const over = facts.limits.filter((limit) => limit.actions.includes('reveal'))
  const asks = over.filter((limit) => limit.needsApproval)
  const isMissing = asks.length > 0 && !(await isApproved(tx, policy, {}, user, account))
  const denial = decideLimits(over) ?? (isMissing ? askFirst(asks) : undefined)
  if (denial !== undefined) return refused(denial.why, denial.next, steps)
  return {
    allowed: true,
    sentence: `${user.name} may, with a fresh code: by ${by}`,
    next: null,
    endsAt: null,
    exclusive: false,
    steps,
  }
}

/** Whether somebody may watch the sessions of others on an account. */
async function explainWatch(
  tx: Tx,
  user: Row<'app_user'>,
  account: Account,
  facts: Said,
  steps: Steps,
): Promise<PolicyAnswer> {
  const isOutside = !mayHold(user.roles, 'observe') && !user.roles.includes('admin')
  const held = await permissionsOf(tx, user, account)
  const lets = (['approve', 'supervise', 'observe'] as const).find(
    (one) => held.includes(one) && mayHold(user.roles, one),
  )
  const permitted = user.roles.includes('admin')
    ? 'the role admin'
    : lets === undefined
      ? undefined
      : `${lets} on the safe`
  const { by, closed } = byWhat(permitted, 'watch', facts)
  if (user.state === 'active' && by !== undefined && !isOutside)
    return {
      allowed: true,
      sentence: `${user.name} may watch the sessions of others: by ${by}`,
      next: null,
      endsAt: null,
      exclusive: false,
      steps,
    }
  const denial = closed === undefined || isOutside ? undefined : decideLimits([closed])
  return refused(
    denial?.why ??
      (isOutside
        ? `${user.name} watches nobody: who comes from outside, audits or looks after the rules does not`
        : `${user.name} has no permission observe on the safe, and no rule lets them watch`),
    denial?.next ?? 'let them watch by a rule, or give observe on the safe',
    steps,
  )
}

function grantStep(grant: Row<'access_grant'>, wants: RuleAction, now: number): Steps[number] {
  const text =
    grant.revoked_at !== null
      ? `was revoked ${utcMinute(grant.revoked_at)}`
      : grant.not_after.getTime() <= now
        ? `ended ${utcMinute(grant.not_after)}`
        : grant.not_before.getTime() > now
          ? `begins ${utcMinute(grant.not_before)}`
          : grant.actions.some((action) => action === wants)
            ? `by ${whoText(grant.granted_by)}, until ${utcMinute(grant.not_after)}`
            : `allows ${grant.actions.join(', ')}, not ${wants}`
  const holds = text.startsWith('by ')
  return { what: `grant ${grant.id}`, effect: 'allows', holds, text }
}

function companyOf(one: Representation | undefined): CompanyFacts | null {
  return one === undefined ? null : companyFacts(one)
}

function contractStep(company: CompanyFacts, now: number): Steps[number] {
  const text = decideCompany(company, now)?.why ?? `until ${utcMinute(company.contractEndsAt)}`
  return {
    what: `contract of ${company.name}`,
    effect: 'limits',
    holds: decideCompany(company, now) === undefined,
    text,
  }
}

function ruleStep(rule: RuleFacts, effect: 'allows' | 'limits', wants: RuleAction): Steps[number] {
  const what = `rule ${rule.name}`
  if (!rule.actions.includes(wants))
    return { what, effect: 'nothing', holds: true, text: `says nothing of ${wants}` }
  const parts = [
    ...(rule.needsApproval ? ['lets in only what was asked for and approved'] : []),
    ...(rule.until === null ? [] : [`until ${utcMinute(rule.until)}`]),
    ...(rule.longestSeconds === null ? [] : [`${Math.round(rule.longestSeconds / 60)} min at the longest`]),
    ...(rule.factorWithin === null ? [] : [`second factor within ${rule.factorWithin}`]),
    ...(rule.exclusive ? ['exclusively'] : []),
    ...(rule.forwards.length === 0 ? [] : [`forwarding to ${rule.forwards.map(forwardName).join(', ')}`]),
    ...(rule.supervisors === null ? [] : [`watched by a supervisor of ${rule.supervisors}`]),
  ]
  const text = rule.unmet ?? (parts.length === 0 ? 'under no condition of its own' : parts.join(', '))
  return { what, effect, holds: rule.unmet === null, text }
}

async function grantsOf(
  tx: Tx,
  users: readonly Row<'app_user'>['id'][],
  accounts: readonly Row<'account'>['id'][],
  /** Only those that hold then. */
  at?: Date,
): Promise<readonly Row<'access_grant'>[]> {
  if (users.length === 0 || accounts.length === 0) return []
  let query = tx.db
    .selectFrom('access_grant')
    .selectAll()
    .where('user_id', 'in', users)
    .where('account_id', 'in', accounts)
    .where('rule', 'is', null)
    .orderBy('id', 'desc')
  if (at !== undefined)
    query = query.where('revoked_at', 'is', null).where('not_before', '<=', at).where('not_after', '>', at)
  return checked(tx.guard, 'access_grant', await query.limit(100_000).execute())
}

/** How many pairs of user and place a look at who reaches what goes through. */
const mostPairs = 50_000
const sessionActions = [
  'shell',
  'exec',
  'sftp-read',
  'sftp-write',
  'forward',
  'elevate',
  'observe',
  'interact',
  'type-in',
  'clipboard-in',
  'clipboard-out',
] as const satisfies readonly Action[]

/** An account at a target that it is bound to: its own, or another. */
type Place = { readonly account: Account; readonly target: Row<'target'> }

/** Who could use what at a moment, by grants and rules: whatever else a target may lack. */
export const policyReach: Handler<'policy.reach'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const chosen = await chosenPairs(tx, input)
    if (!chosen.ok) return chosen
    const { users, places } = chosen.value
    if (users.length * places.length > mostPairs)
      return refuse(
        'invalid',
        `these are ${users.length} users and ${places.length} accounts, too many to go through`,
        'name a user, or an account, target or safe',
      )
    const policy = await readPolicy(tx.db, tx.guard)
    const now = input.at === undefined ? tx.now.getTime() : Date.parse(input.at)
    const grants = await grantsOf(
      tx,
      users.map(({ id }) => id),
      [...new Set(places.map(({ account }) => account.id))],
      new Date(now),
    )
    const byPair = Map.groupBy(grants, (grant) => `${grant.user_id} ${grant.account_id}`)
    const longest = call.world.settings.longestSessionSeconds
    const machineAt = await machineFinder(tx.db, tx.guard, policy)
    const glassOf = await glassFinder(tx, places)
    const rows: ReachView[] = []
    const subjectOf = await readSubjects(tx.db, tx.guard, users)
    for (const user of users) {
      const company = companyOf(await representationOf(tx.db, tx.guard, user))
      for (const { account, target } of places) {
        const own = byPair.get(`${user.id} ${account.id}`) ?? []
        const quorums = await quorumsAt(tx, policy, user, account, target)
        const requested = await requestedGrants(tx.db, tx.guard, policy, own, quorums)
        const given = own.map((grant) => grantFacts(grant, requested))
        const machine = machineAt(account, target)
        const facts = accessFacts(policy, user, subjectOf(user), machine, given, { now }, longest, company)
        const glass = glassOf(user, account)
        if (glass !== undefined)
          rows.push({
            user: user.name,
            account: account.name,
            target: target.name,
            actions: glass.actions,
            by: ['break-glass'],
            conditions: conditionsOf(policy, facts.limits, glass.actions, false),
            until: new Date(now + glass.minutes * 60_000).toISOString(),
            exclusive: false,
          })
        if (given.length === 0 && facts.allowing.length === 0) continue
        const forwards = [...given, ...facts.allowing].flatMap((one) => one.forwards)
        const found = sessionActions.flatMap((wants) => {
          if (!opensSessions(target.protocol)) return []
          const asked = wants === 'forward' ? forwards.map((forward) => ({ wants, forward })) : [{ wants }]
          const [decision] = asked.flatMap((one) => {
            const decided = decideAccess({ ...facts, ...one })
            return decided.kind === 'deny' ? [] : [decided]
          })
          if (decision === undefined) return []
          const by =
            decision.by.kind === 'rule'
              ? `rule ${facts.allowing[decision.by.index]?.name ?? ''}`
              : `grant ${own[decision.by.index]?.id ?? ''}`
          const conditions = [
            ...(decision.by.kind === 'rule'
              ? conditionsOf(policy, facts.allowing.slice(decision.by.index, decision.by.index + 1), [wants])
              : [`let in by ${whoText(own[decision.by.index]?.granted_by ?? '')}`]),
            ...conditionsOf(policy, facts.limits, [wants]),
          ]
          return [{ wants, by, conditions, endsAt: decision.endsAt, exclusive: decision.exclusive }]
        })
        // What ends at another time, or under other conditions, is another row: nobody reads that all of it is as the best.
        const alike = (one: (typeof found)[number]) =>
          JSON.stringify([one.endsAt, one.exclusive, one.conditions])
        for (const same of Map.groupBy(found, alike).values()) {
          const [{ endsAt, exclusive, conditions }] = same as [(typeof same)[number]]
          rows.push({
            user: user.name,
            account: account.name,
            target: target.name,
            actions: same.map(({ wants }) => wants),
            by: [...new Set(same.map(({ by }) => by))],
            conditions,
            until: new Date(endsAt).toISOString(),
            exclusive,
          })
        }
      }
    }
    return done(rows)
  })

/** What rules ask for these acts, each with the name of its rule; break-glass goes without approvals. */
function conditionsOf(
  policy: Policy,
  rules: readonly RuleFacts[],
  acts: readonly RuleAction[],
  withApprovals = true,
): readonly string[] {
  return rules
    .filter(({ actions }) => actions.some((action) => acts.includes(action)))
    .flatMap(({ name }) => {
      const document = policy.rules.find((rule) => rule.document.name === name)?.document
      if (document === undefined) return []
      const counts = withApprovals || document.effect === 'allow'
      return ruleConditions(counts ? document : { ...document, approvals: undefined }).map(
        (text) => `${text} (rule ${name})`,
      )
    })
}

/** Who may let themselves into which account, for how long and to do what: on nobody's word but their own. */
async function glassFinder(tx: Tx, places: readonly Place[]) {
  const safes = checked(
    tx.guard,
    'safe',
    await tx.db.selectFrom('safe').selectAll().where('break_glass_minutes', 'is not', null).execute(),
  )
  const members = checked(
    tx.guard,
    'safe_member',
    await tx.db.selectFrom('safe_member').selectAll().execute(),
  )
  const broken = new Set(
    members
      .filter(({ permissions }) => permissions.includes('break-glass'))
      .map(({ safe_id, user_id }) => `${safe_id} ${user_id}`),
  )
  const minutes = new Map(safes.map((safe) => [safe.id, safe.break_glass_minutes]))
  const elevated = new Set<string>()
  for (const id of new Set(
    places.filter(({ account }) => minutes.has(account.safe_id)).map(({ account }) => account.id),
  ))
    if ((await elevationOf(tx.db, tx.guard, id)) !== undefined) elevated.add(id)
  return (user: Row<'app_user'>, account: Account) => {
    const lasts = minutes.get(account.safe_id) ?? null
    if (lasts === null || user.state !== 'active' || !opensSessions(account.target.protocol)) return undefined
    if (!mayHold(user.roles, 'break-glass') || !broken.has(`${account.safe_id} ${user.id}`)) return undefined
    return { minutes: lasts, actions: glassActions(account, elevated.has(account.id)) }
  }
}

async function chosenPairs(tx: Tx, input: Input<'policy.reach'>) {
  const company = input.company === undefined ? undefined : await findCompany(tx.db, tx.guard, input.company)
  if (input.company !== undefined && company === undefined) return notFound('company', input.company)
  const user = input.user === undefined ? undefined : await findUser(tx.db, tx.guard, input.user)
  if (input.user !== undefined && user === undefined) return notFound('user', input.user)
  const users =
    company !== undefined
      ? (await representativesOf(tx, company, 'read')).filter(
          ({ id, state }) => state !== 'disabled' && (user === undefined || id === user.id),
        )
      : user === undefined
        ? checked(
            tx.guard,
            'app_user',
            await tx.db
              .selectFrom('app_user')
              .selectAll()
              .where('state', '<>', 'disabled')
              .orderBy('name')
              .execute(),
          )
        : [user]
  let query = tx.db
    .selectFrom('binding')
    .innerJoin('account', 'account.id', 'binding.account_id')
    .innerJoin('target', 'target.id', 'binding.target_id')
    .select(['binding.account_id', 'binding.target_id'])
    .where('account.removed_at', 'is', null)
    .where('target.removed_at', 'is', null)
    .orderBy('account.id')
    .orderBy('target.id')
  if (input.account !== undefined) {
    const account = await findAccount(tx.db, tx.guard, input.account)
    if (account === undefined) return notFound('account', input.account)
    query = query.where('account.id', '=', account.id)
  }
  if (input.target !== undefined) {
    const target = await findTarget(tx.db, tx.guard, input.target)
    if (target === undefined) return notFound('target', input.target)
    query = query.where('target.id', '=', target.id)
  }
  if (input.safe !== undefined) {
    const safe = await findSafe(tx.db, tx.guard, input.safe)
    if (safe === undefined) return notFound('safe', input.safe)
    const isIn = safe.id
    query = query.where((eb) => eb.or([eb('account.safe_id', '=', isIn), eb('target.safe_id', '=', isIn)]))
  }
  return done({ users, places: await readPlaces(tx, await query.limit(mostPairs + 1).execute()) })
}

async function readPlaces(
  tx: Tx,
  bound: readonly Pick<Row<'binding'>, 'account_id' | 'target_id'>[],
): Promise<readonly Place[]> {
  if (bound.length === 0) return []
  const ids = [...new Set(bound.map((row) => row.account_id))]
  const accounts = new Map(
    checked(
      tx.guard,
      'account',
      await tx.db.selectFrom('account').selectAll().where('id', 'in', ids).execute(),
    ).map((row) => [row.id, row]),
  )
  const at = [...bound.map((row) => row.target_id), ...[...accounts.values()].map((row) => row.target_id)]
  const targets = new Map(
    checked(
      tx.guard,
      'target',
      await tx.db
        .selectFrom('target')
        .selectAll()
        .where('id', 'in', [...new Set(at)])
        .execute(),
    ).map((row) => [row.id, row]),
  )
  return bound.flatMap((row) => {
    const account = accounts.get(row.account_id)
    const own = account === undefined ? undefined : targets.get(account.target_id)
    const target = targets.get(row.target_id)
    if (account === undefined || own === undefined || target === undefined) return []
    return [{ account: { ...account, target: own, name: `${own.name}/${account.login}` }, target }]
  })
}
