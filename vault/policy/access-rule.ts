import { BlockList } from 'node:net'
import { canonicalForwards } from '../checkout/forward.ts'
import type { ForwardRule, Role } from '../contract.ts'
import { type RuleAction, ruleActions } from '../contract/words.ts'
import { durationSeconds } from '../kernel/duration.ts'
import type { AccountId, CompanyId, SafeId, TargetId, UserId } from '../kernel/id.ts'
import { calendarAt, momentIn } from './calendar.ts'
import { accountKey, fitsPattern, parseNetwork, type PolicyDocument, type RuleDocument } from './document.ts'

/** The ids that the names of a policy stood for when it was applied: another thing of the same name is not meant. */
export type PolicyIds = {
  readonly users: Readonly<Record<string, UserId>>
  readonly safes: Readonly<Record<string, SafeId>>
  readonly targets: Readonly<Record<string, TargetId>>
  readonly accounts: Readonly<Record<string, AccountId>>
  readonly companies: Readonly<Record<string, CompanyId>>
  /** The targets that carry a tag or lie in a zone, for rules that let in and for those that limit. */
  readonly marks: { readonly allow: MarkedTargets; readonly limit: MarkedTargets }
}

export const markKinds = ['tags', 'zones'] as const
export type MarkedTargets = {
  readonly [Kind in (typeof markKinds)[number]]: Readonly<Record<string, readonly TargetId[]>>
}

/** What a document that names nothing stands for. */
export const noIds: PolicyIds = {
  users: {},
  safes: {},
  targets: {},
  accounts: {},
  companies: {},
  marks: { allow: { tags: {}, zones: {} }, limit: { tags: {}, zones: {} } },
}

/** A policy in force. */
export type Policy = {
  readonly document: PolicyDocument
  readonly ids: PolicyIds
  readonly rules: readonly AccessRule[]
  readonly groups: ReadonlyMap<string, ReadonlySet<UserId>>
}

export type AccessRule = {
  readonly document: RuleDocument
  readonly users: ReadonlySet<UserId>
  readonly companies: ReadonlySet<CompanyId>
  readonly safes: ReadonlySet<SafeId>
  readonly targets: ReadonlySet<TargetId>
  readonly accounts: ReadonlySet<AccountId>
  readonly networks: BlockList | null
  /** The names of targets and accounts, as they are compared. */
  readonly names: {
    readonly companies: ReadonlySet<string>
    readonly targets: ReadonlySet<string>
    readonly accounts: ReadonlySet<string>
  }
  /** Where the action `forward` may go. */
  readonly forwards: readonly ForwardRule[]
}

/** Somebody, and the company that they speak for. */
export type Subject = {
  readonly user: UserId
  readonly roles: readonly Role[]
  readonly company: { readonly id: CompanyId; readonly name: string } | null
}
export type Resource = {
  readonly safe: SafeId
  readonly target: TargetId
  readonly account: AccountId
  readonly protocol: string
}

/**
 * What is known of the machine that an account is used on, beside the record that somebody named.
 *
 * SECURITY: a limit that names a machine holds for the machine: by its name, whoever has that now, and by whatever
 * record of its address somebody made, or bound the account to.
 */
export type Machine = Resource & {
  readonly targetName: string
  readonly accountName: string
  /** The account's own target, other records of the machine's address, and the safes of all of them. */
  readonly otherTargets: readonly TargetId[]
  readonly otherSafes: readonly SafeId[]
}

/** Under what one acts. What is undefined is not known, and taken to be as the rule wants it: a forecast asks so. */
export type Circumstances = {
  readonly now: number
  /** The address that one connects from. */
  readonly source?: string
  /** When the person last showed their second factor (ms); null: not at all, as with a key. */
  readonly factorAt?: number | null
}

/** What a rule that concerns somebody comes to under their circumstances. */
export type RuleFacts = {
  readonly name: string
  readonly actions: readonly RuleAction[]
  /** Why it does not hold, as a sentence; null: it holds. */
  readonly unmet: string | null
  /** It does not hold for want of a second factor that is young enough, and for nothing else; missing otherwise. */
  readonly isStale?: true
  /** When it stops holding (ms); null: not by itself. */
  readonly until: number | null
  readonly longestSeconds: number | null
  /** How fresh a second factor it wants (`10m`); null: it does not matter. */
  readonly factorWithin: string | null
  readonly exclusive: boolean
  /** Only what was asked for and approved lets in. */
  readonly needsApproval: boolean
  /** The group of whom somebody must watch; null: nobody must. */
  readonly supervisors: string | null
  readonly contact: string | null
  readonly forwards: readonly ForwardRule[]
}

/** Compiles a document. Names that no id is known of concern nobody. */
export function compilePolicy(document: PolicyDocument, ids: PolicyIds): Policy {
  const find = <T>(
    known: Readonly<Record<string, T>>,
    names: readonly string[] = [],
    keyOf = (name: string) => name.toLowerCase(),
  ): ReadonlySet<T> =>
    new Set(
      names.flatMap((name) => {
        const key = keyOf(name)
        const id = Object.hasOwn(known, key) ? known[key] : undefined
        return id === undefined ? [] : [id]
      }),
    )
  return {
    document,
    ids,
    groups: new Map(
      Object.entries(document.groups ?? {}).map(([name, members]) => [
        name.toLowerCase(),
        find(ids.users, members),
      ]),
    ),
    rules: document.rules.map((rule) => ({
      document: rule,
      users: find(ids.users, rule.who.users),
      companies: find(ids.companies, rule.who.companies),
      safes: find(ids.safes, rule.what.safes),
      targets: new Set([
        ...find(ids.targets, rule.what.targets),
        ...markKinds.flatMap((kind) =>
          [...find(ids.marks[rule.effect][kind], rule.what[kind])].flatMap((marked) => [...marked]),
        ),
      ]),
      accounts: find(ids.accounts, rule.what.accounts, accountKey),
      networks: rule.networks === undefined ? null : networksOf(rule.networks),
      names: {
        companies: new Set((rule.who.companies ?? []).map((name) => name.toLowerCase())),
        targets: new Set((rule.what.targets ?? []).map((name) => name.toLowerCase())),
        accounts: new Set((rule.what.accounts ?? []).map(accountKey)),
      },
      forwards: forwardsIn(rule),
    })),
  }
}

/** Where a rule lets people forward to, spelled canonically: what is not was refused when it was applied. */
function forwardsIn(rule: RuleDocument): readonly ForwardRule[] {
  const canonical = canonicalForwards(rule.effect === 'allow' ? (rule.forwards ?? []) : [])
  return canonical.ok ? canonical.value : []
}

function networksOf(texts: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of texts) {
    const network = parseNetwork(text)
    if (network !== undefined) list.addSubnet(network.address, network.prefix, network.family)
  }
  return list
}

/** Is this person among those of the rule? */
export function concernsUser(policy: Policy, rule: AccessRule, subject: Subject): boolean {
  const { who } = rule.document
  if (who.everyone === true || rule.users.has(subject.user)) return true
  if (subject.company !== null && concernsCompany(rule, subject.company)) return true
  if (who.roles?.some((role) => subject.roles.includes(role)) === true) return true
  return (who.groups ?? []).some(
    (group) => policy.groups.get(group.toLowerCase())?.has(subject.user) === true,
  )
}

/** A limit means a company by its name too, whoever has that now. */
function concernsCompany(rule: AccessRule, { id, name }: NonNullable<Subject['company']>): boolean {
  return (
    rule.companies.has(id) ||
    (rule.document.effect === 'limit' && rule.names.companies.has(name.toLowerCase()))
  )
}

/** Is this account, at this target, among those of the rule? */
export function concernsResource(rule: AccessRule, resource: Resource): boolean {
  const { what } = rule.document
  if (what.protocols?.some((protocol) => protocol === resource.protocol) === false) return false
  return (
    what.everything === true ||
    rule.safes.has(resource.safe) ||
    rule.targets.has(resource.target) ||
    rule.accounts.has(resource.account)
  )
}

/** Is this machine, or what is known of it, among what a limit names? */
export function concernsMachine(rule: AccessRule, machine: Machine): boolean {
  if (concernsResource(rule, machine)) return true
  const { protocols } = rule.document.what
  if (protocols?.some((protocol) => protocol === machine.protocol) === false) return false
  return (
    machine.otherTargets.some((id) => rule.targets.has(id)) ||
    machine.otherSafes.some((id) => rule.safes.has(id)) ||
    rule.names.targets.has(machine.targetName.toLowerCase()) ||
    rule.names.accounts.has(accountKey(machine.accountName))
  )
}

/** The rules that let somebody use something: by what was meant when the policy was applied, and nothing else. */
export function allowingRules(policy: Policy, subject: Subject, resource: Resource): readonly AccessRule[] {
  return policy.rules.filter(
    (rule) =>
      rule.document.effect === 'allow' &&
      concernsResource(rule, resource) &&
      concernsUser(policy, rule, subject),
  )
}

/** The rules that limit somebody's use of something. */
export function limitingRules(policy: Policy, subject: Subject, machine: Machine): readonly AccessRule[] {
  return policy.rules.filter(
    (rule) =>
      rule.document.effect === 'limit' &&
      concernsMachine(rule, machine) &&
      concernsUser(policy, rule, subject),
  )
}

/** What a rule comes to now. Pure. */
export function ruleAt(policy: Policy, rule: AccessRule, circumstances: Circumstances): RuleFacts {
  const { document } = rule
  const hours = hoursAt(policy, document, circumstances.now)
  const elsewhen = hours.unmet ?? networkFault(rule, circumstances)
  const stale = elsewhen === undefined ? factorFault(document, circumstances) : undefined
  return {
    name: document.name,
    actions: document.actions ?? ruleActions,
    unmet: elsewhen ?? stale ?? null,
    ...(stale === undefined ? {} : { isStale: true as const }),
    until: hours.until,
    longestSeconds: document.longest === undefined ? null : (durationSeconds(document.longest) ?? null),
    factorWithin: document.factorWithin ?? null,
    exclusive: document.exclusive === true,
    needsApproval: document.effect === 'limit' && document.approvals !== undefined,
    supervisors: document.effect === 'limit' ? (document.supervisors?.toLowerCase() ?? null) : null,
    contact: document.contact ?? policy.document.contact ?? null,
    forwards: rule.forwards,
  }
}

function hoursAt(
  policy: Policy,
  { name, during }: RuleDocument,
  now: number,
): { readonly unmet?: string; readonly until: number | null } {
  if (during === undefined) return { until: null }
  const states = during.flatMap((calendar) => {
    const found = policy.document.calendars?.[calendar]
    return found === undefined ? [] : [{ zone: found.zone, ...calendarAt(found, now) }]
  })
  const open = states.filter((state) => state.open)
  if (open.length > 0) {
    const ends = open.map((state) => state.until)
    return { until: ends.includes(null) ? null : Math.max(...ends.map(Number)) }
  }
  const next = states
    .filter((state) => state.until !== null)
    .sort((a, b) => Number(a.until) - Number(b.until))
    .at(0)
  const opens =
    next === undefined ? 'and does not open again' : `until ${momentIn(next.zone, Number(next.until))}`
  return { unmet: `the rule “${name}” is closed now (${during.join(', ')}), ${opens}`, until: null }
}

function networkFault({ networks, document }: AccessRule, { source }: Circumstances): string | undefined {
  if (networks === null || source === undefined) return undefined
  const network = parseNetwork(source.replace(/^::ffff:/i, '').replace(/%.*$/, ''))
  if (network !== undefined && networks.check(network.address, network.family)) return undefined
  return `the rule “${document.name}” lets nobody in from ${source}`
}

function factorFault(
  { name, factorWithin }: RuleDocument,
  { now, factorAt }: Circumstances,
): string | undefined {
  if (factorWithin === undefined || factorAt === undefined) return undefined
  const within = (durationSeconds(factorWithin) ?? 0) * 1000
  if (factorAt !== null && now - factorAt <= within) return undefined
  return factorAt === null
    ? `the rule “${name}” wants your second factor, and a key alone does not show it`
    : `the rule “${name}” wants your second factor within ${factorWithin}`
}

/** What the rules want of a request, all of those that concern it on any of these machines taken together. */
export type Wanted = {
  readonly approvals: readonly { readonly group: string; readonly count: number }[]
  readonly workOrders: readonly { readonly rule: string; readonly pattern: string }[]
}

export function wantedOf(
  policy: Policy,
  subject: Subject,
  machines: readonly Machine[],
  actions: readonly RuleAction[],
): Wanted {
  const limits = [...new Set(machines.flatMap((machine) => limitingRules(policy, subject, machine)))]
    .map(({ document }) => document)
    .filter((document) => document.effect === 'limit')
    .filter((document) => (document.actions ?? ruleActions).some((action) => actions.includes(action)))
  const counts = new Map<string, number>()
  for (const { group, count } of limits.flatMap((limit) => limit.approvals ?? [])) {
    const key = group.toLowerCase()
    counts.set(key, Math.max(count, counts.get(key) ?? 0))
  }
  return {
    approvals: [...counts].map(([group, count]) => ({ group, count })),
    workOrders: limits.flatMap(({ name, workOrder }) =>
      workOrder === undefined ? [] : [{ rule: name, pattern: workOrder }],
    ),
  }
}

/** Why nobody can approve somebody's request by what the policy wants now; undefined: people can. */
export function obstacleOf(
  policy: Policy,
  { user, workOrder }: { readonly user: UserId; readonly workOrder: string | null },
  { approvals, workOrders }: Wanted,
): string | undefined {
  const unfit = workOrders.filter(({ pattern }) => !fitsPattern(pattern, workOrder ?? ''))
  const few = approvals.filter(({ group, count }) => {
    const members = policy.groups.get(group.toLowerCase())
    return (members?.size ?? 0) - (members?.has(user) === true ? 1 : 0) < count
  })
  const all = [
    ...unfit.map(({ rule, pattern }) => `the rule “${rule}” wants a work order of the form ${pattern}`),
    ...few.map(({ group, count }) => `it wants ${count} of ${group}, which has fewer who are somebody else`),
  ]
  return all.length === 0 ? undefined : all.join('; ')
}

/** The groups that somebody is in. */
export function groupsOf(policy: Policy, user: UserId): readonly string[] {
  return [...policy.groups].flatMap(([name, members]) => (members.has(user) ? [name] : []))
}
