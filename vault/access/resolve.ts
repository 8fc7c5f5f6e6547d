import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { count } from '../kernel/count.ts'
import { directoryMembers } from '../directory/groups.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { canonicalForwards } from '../checkout/forward.ts'
import { type MarkedTargets, markKinds, type PolicyIds } from '../policy/access-rule.ts'
import { accountKey, type PolicyDocument, type RuleDocument } from '../policy/document.ts'
import { type Checker, checked, type Row } from '../rows.ts'

type NamedKind = 'users' | 'safes' | 'targets' | 'accounts' | 'companies'
type Known = Pick<PolicyIds, NamedKind> & {
  /** Every record of a machine, removed ones too, as a limit holds by what they carry still. */
  readonly records: readonly Row<'target'>[]
}

/** What can be named, with its id. */
async function knownIds(db: Kysely<Database>, checker: Checker): Promise<Known> {
  const users = checked(checker, 'app_user', await db.selectFrom('app_user').selectAll().execute())
  const safes = checked(checker, 'safe', await db.selectFrom('safe').selectAll().execute())
  const records = checked(checker, 'target', await db.selectFrom('target').selectAll().execute())
  const targets = records.filter((row) => row.removed_at === null)
  const companies = checked(checker, 'company', await db.selectFrom('company').selectAll().execute())
  const accounts = checked(
    checker,
    'account',
    await db.selectFrom('account').selectAll().where('removed_at', 'is', null).execute(),
  )
  const targetNames = new Map(targets.map((row) => [row.id, row.name]))
  const byName = <T extends { readonly name: string; readonly id: unknown }>(rows: readonly T[]) =>
    Object.fromEntries(rows.map((row) => [row.name.toLowerCase(), row.id])) as Record<string, T['id']>
  const nameOf = (row: (typeof accounts)[number]) => `${targetNames.get(row.target_id) ?? ''}/${row.login}`
  return {
    users: byName(users),
    safes: byName(safes),
    targets: byName(targets),
    accounts: Object.fromEntries(accounts.map((row) => [accountKey(nameOf(row)), row.id])),
    companies: byName(companies),
    records,
  }
}

/** The ids of everything that a document names. Refuses it where it names what is not there, or says nothing. */
export async function resolvePolicy(
  db: Kysely<Database>,
  checker: Checker,
  document: PolicyDocument,
): Promise<Outcome<PolicyIds>> {
  const given = await directoryMembers(db, checker, document.groups)
  const fault = contradictionIn(document, given)
  if (fault !== undefined) return refuse('invalid', fault.why, fault.next)
  const known = await knownIds(db, checker)
  const missing: string[] = []
  const used: Record<NamedKind, Set<string>> = {
    users: new Set(),
    safes: new Set(),
    targets: new Set(),
    accounts: new Set(),
    companies: new Set(),
  }
  const take = (kind: NamedKind, where: string, names: readonly string[] = []) => {
    for (const name of names) {
      const key = kind === 'accounts' ? accountKey(name) : name.toLowerCase()
      used[kind].add(key)
      if (!Object.hasOwn(known[kind], key))
        missing.push(`${where}: there is no ${singular[kind]} ${JSON.stringify(name)}`)
    }
  }
  const marks = marksIn(document, known.records)
  for (const [group, members] of Object.entries(document.groups ?? {}))
    take('users', `group ${group}`, members)
  for (const { name, effect, who, what } of document.rules) {
    take('users', `rule ${name}`, who.users)
    take('safes', `rule ${name}`, what.safes)
    take('targets', `rule ${name}`, what.targets)
    take('accounts', `rule ${name}`, what.accounts)
    take('companies', `rule ${name}`, who.companies)
    for (const kind of markKinds)
      for (const mark of what[kind] ?? [])
        if (marks[effect][kind][mark.toLowerCase()]?.length === 0)
          missing.push(`rule ${name}: no target ${markVerbs[kind]} ${JSON.stringify(mark)}`)
  }
  if (missing.length === 0)
    return done({
      users: among(known.users, used.users),
      safes: among(known.safes, used.safes),
      targets: among(known.targets, used.targets),
      accounts: among(known.accounts, used.accounts),
      companies: among(known.companies, used.companies),
      marks,
    })
  const more = missing.length > 5 ? ` (and ${missing.length - 5} more)` : ''
  return refuse(
    'invalid',
    `document: ${missing.slice(0, 5).join('; ')}${more}`,
    'add what is missing first, or correct the names',
  )
}

const singular = {
  users: 'user',
  safes: 'safe',
  targets: 'target',
  accounts: 'account',
  companies: 'company',
} as const
const markVerbs = { tags: 'has the tag', zones: 'lies in the zone' } as const

/** Does a record of a target carry this tag, or lie in this zone? */
export function carries(
  { tags, zone }: Pick<Row<'target'>, 'tags' | 'zone'>,
  kind: (typeof markKinds)[number],
  mark: string,
): boolean {
  return kind === 'tags' ? (tags ?? []).includes(mark) : zone === mark
}

/** The targets that carry the tags and lie in the zones that a document names. */
function marksIn({ rules }: PolicyDocument, records: readonly Row<'target'>[]): PolicyIds['marks'] {
  const marked = (effect: RuleDocument['effect'], kind: (typeof markKinds)[number]) => {
    const named = rules.filter((rule) => rule.effect === effect).flatMap(({ what }) => what[kind] ?? [])
    return Object.fromEntries(
      [...new Set(named.map((mark) => mark.toLowerCase()))].sort().map((mark) => [
        mark,
        records
          .filter((row) => (effect === 'limit' || row.removed_at === null) && carries(row, kind, mark))
          .map(({ id }) => id)
          .sort(),
      ]),
    )
  }
  const both = (effect: RuleDocument['effect']): MarkedTargets => ({
    tags: marked(effect, 'tags'),
    zones: marked(effect, 'zones'),
  })
  return { allow: both('allow'), limit: both('limit') }
}

function among<T>(
  known: Readonly<Record<string, T>>,
  used: ReadonlySet<string>,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(known).filter(([name]) => used.has(name)))
}

/** What a document contradicts in itself, without looking at anything else. */
function contradictionIn(
  { groups = {}, calendars = {}, rules }: PolicyDocument,
  given: ReadonlyMap<string, readonly unknown[]>,
) {
  const fault = (why: string, next: string) => ({ why: `document: ${why}`, next })
  const twice = twiceIn([...rules.map(({ name }) => name)])
  if (twice !== undefined) return fault(`two rules are called ${twice}`, 'give each rule a name of its own')
  const group = twiceIn(Object.keys(groups))
  if (group !== undefined) return fault(`two groups are called ${group}`, 'give each group a name of its own')
  const known = new Set(Object.keys(groups).map((name) => name.toLowerCase()))
  for (const rule of rules) {
    const { name, who, what, during = [] } = rule
    const supervisors = rule.effect === 'limit' && rule.supervisors !== undefined ? [rule.supervisors] : []
    const named = [
      ...supervisors,
      ...(who.groups ?? []),
      ...(rule.effect === 'limit' ? (rule.approvals ?? []) : []).map((one) => one.group),
    ]
    const strange = named.find((one) => !known.has(one.toLowerCase()))
    if (strange !== undefined)
      return fault(`rule ${name}: there is no group ${strange}`, 'name it under groups, with its members')
    const quorum = (rule.effect === 'limit' ? (rule.approvals ?? []) : []).find(
      (one) => one.count > membersOf(groups, given, one.group),
    )
    if (quorum !== undefined)
      return fault(
        `rule ${name}: it wants ${quorum.count} of ${quorum.group}, which has ${count(membersOf(groups, given, quorum.group), 'member')}, so nobody could ever be approved`,
        'add members to the group, or want fewer',
      )
    const unknown = during.find((one) => !Object.hasOwn(calendars, one))
    if (unknown !== undefined)
      return fault(`rule ${name}: there is no calendar ${unknown}`, 'name it under calendars')
    const destinations = forwardsFault(rule)
    if (destinations !== undefined) return fault(`rule ${name}: ${destinations.why}`, destinations.next)
    if (Object.keys(who).length === 0)
      return fault(
        `rule ${name}: who: it says whom it concerns`,
        'name users, groups, companies or roles, or write everyone: true',
      )
    const { protocols: _, ...things } = what
    if (Object.keys(things).length === 0)
      return fault(
        `rule ${name}: what: it says what it concerns`,
        'name safes, targets, accounts, tags or zones, or write everything: true',
      )
  }
  return undefined
}

/** The action `forward` says where to, and nothing else does; what goes with what holds as for grants. */
function forwardsFault(rule: RuleDocument): { readonly why: string; readonly next: string } | undefined {
  if (rule.effect === 'limit') return undefined
  const { actions, forwards } = rule
  if (actions.includes('forward') !== (forwards !== undefined))
    return forwards === undefined
      ? {
          why: 'forwards: it does not say where forwarding may go',
          next: 'name each destination: { host: 10.0.3.9, port: 443 }',
        }
      : { why: 'actions: destinations go with the action forward', next: 'allow forward too' }
  const canonical = canonicalForwards(forwards ?? [])
  return canonical.ok
    ? undefined
    : { why: canonical.refusal.message, next: canonical.refusal.next ?? 'correct it' }
}

/** How many people are in a group that is there, those whom directories give it with them. */
function membersOf(
  groups: NonNullable<PolicyDocument['groups']>,
  given: ReadonlyMap<string, readonly unknown[]>,
  name: string,
): number {
  const key = name.toLowerCase()
  const [, members = []] = Object.entries(groups).find(([group]) => group.toLowerCase() === key) ?? []
  return new Set(members.map((member) => member.toLowerCase())).size + (given.get(key)?.length ?? 0)
}

function twiceIn(names: readonly string[]): string | undefined {
  const seen = new Set<string>()
  return names.find((name) => {
    const key = name.toLowerCase()
    if (seen.has(key)) return true
    seen.add(key)
    return false
  })
}
