import type { Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import type { PolicyIds } from '../policy/access-rule.ts'
import { accountKey, type PolicyDocument } from '../policy/document.ts'
import { type Checker, checked } from '../rows.ts'

/** What can be named, with its id. */
async function knownIds(db: Kysely<Database>, checker: Checker): Promise<PolicyIds> {
  const users = checked(checker, 'app_user', await db.selectFrom('app_user').selectAll().execute())
  const safes = checked(checker, 'safe', await db.selectFrom('safe').selectAll().execute())
  const targets = checked(
    checker,
    'target',
    await db.selectFrom('target').selectAll().where('removed_at', 'is', null).execute(),
  )
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
  }
}

/** The ids of everything that a document names. Refuses it where it names what is not there, or says nothing. */
export async function resolvePolicy(
  db: Kysely<Database>,
  checker: Checker,
  document: PolicyDocument,
): Promise<Outcome<PolicyIds>> {
  const fault = contradictionIn(document)
  if (fault !== undefined) return refuse('invalid', fault.why, fault.next)
  const known = await knownIds(db, checker)
  const missing: string[] = []
  const used: Record<keyof PolicyIds, Set<string>> = {
    users: new Set(),
    safes: new Set(),
    targets: new Set(),
    accounts: new Set(),
  }
  const take = (kind: keyof PolicyIds, where: string, names: readonly string[] = []) => {
    for (const name of names) {
      const key = kind === 'accounts' ? accountKey(name) : name.toLowerCase()
      used[kind].add(key)
      if (!Object.hasOwn(known[kind], key))
        missing.push(`${where}: there is no ${kind.slice(0, -1)} ${JSON.stringify(name)}`)
    }
  }
  for (const [group, members] of Object.entries(document.groups ?? {}))
    take('users', `group ${group}`, members)
  for (const { name, who, what } of document.rules) {
    take('users', `rule ${name}`, who.users)
    take('safes', `rule ${name}`, what.safes)
    take('targets', `rule ${name}`, what.targets)
    take('accounts', `rule ${name}`, what.accounts)
  }
  if (missing.length === 0)
    return done({
      users: among(known.users, used.users),
      safes: among(known.safes, used.safes),
      targets: among(known.targets, used.targets),
      accounts: among(known.accounts, used.accounts),
    })
  const more = missing.length > 5 ? ` (and ${missing.length - 5} more)` : ''
  return refuse(
    'invalid',
    `document: ${missing.slice(0, 5).join('; ')}${more}`,
    'add what is missing first, or correct the names',
  )
}

function among<T>(
  known: Readonly<Record<string, T>>,
  used: ReadonlySet<string>,
): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(known).filter(([name]) => used.has(name)))
}

/** What a document contradicts in itself, without looking at anything else. */
function contradictionIn({ groups = {}, calendars = {}, rules }: PolicyDocument) {
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
      (one) => one.count > membersOf(groups, one.group),
    )
    if (quorum !== undefined)
      return fault(
        `rule ${name}: it wants ${quorum.count} of ${quorum.group}, which has ${membersOf(groups, quorum.group)} members, so nobody could ever be approved`,
        'add members to the group, or want fewer',
      )
    const unknown = during.find((one) => !Object.hasOwn(calendars, one))
    if (unknown !== undefined)
      return fault(`rule ${name}: there is no calendar ${unknown}`, 'name it under calendars')
    if (Object.keys(who).length === 0)
      return fault(
        `rule ${name}: who: it says whom it concerns`,
        'name users, groups or roles, or write everyone: true',
      )
    const { protocols: _, ...things } = what
    if (Object.keys(things).length === 0)
      return fault(
        `rule ${name}: what: it says what it concerns`,
        'name safes, targets or accounts, or write everything: true',
      )
  }
  return undefined
}

/** How many people are in a group that is there. */
function membersOf(groups: NonNullable<PolicyDocument['groups']>, name: string): number {
  const key = name.toLowerCase()
  const [, members = []] = Object.entries(groups).find(([group]) => group.toLowerCase() === key) ?? []
  return new Set(members.map((member) => member.toLowerCase())).size
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
