import { nameText, type DirectoryMapping, type Role, type SyncChange } from '../contract.ts'
import type { UserId } from '../kernel/id.ts'
import { rolesFault } from '../policy/roles.ts'

/** A person as a directory says that they are. */
export type Entry = {
  readonly subject: string
  /** How they are called there. */
  readonly login: string
  /** Why they may do nothing there, in words; null: they may. */
  readonly disabled: string | null
  /** Which mapped groups they are in: `DirectoryMapping.group`. */
  readonly groups: readonly string[]
}

/** A user of the directory, as they were when it was last read. */
export type Known = {
  readonly user: UserId
  readonly name: string
  readonly isOff: boolean
  readonly roles: readonly Role[]
  readonly subject: string
  readonly login: string
  readonly givenRoles: readonly Role[]
  readonly policyGroups: readonly string[]
  readonly state: 'present' | 'disabled' | 'gone'
}

/** What is done with somebody. `keep`: nothing but what is known of their entry. */
export type Step = Omit<SyncChange, 'does'> & {
  readonly does: SyncChange['does'] | 'keep'
  readonly known: Known | null
  readonly entry: {
    readonly subject: string
    readonly login: string
    readonly givenRoles: readonly Role[]
    readonly policyGroups: readonly string[]
    readonly state: Known['state']
  }
  /** Their roles from now on; null: as they are. */
  readonly roles: readonly Role[] | null
}

/** What the groups of somebody give them. */
export function givenBy(
  groups: readonly string[],
  mappings: readonly DirectoryMapping[],
): { readonly roles: readonly Role[]; readonly policyGroups: readonly string[] } {
  const given = mappings.filter(({ group }) => groups.includes(group))
  return {
    roles: [...new Set(given.flatMap(({ roles }) => roles))].sort(),
    policyGroups: [
      ...new Set(
        given.flatMap(({ policyGroup }) => (policyGroup === null ? [] : [policyGroup.toLowerCase()])),
      ),
    ].sort(),
  }
}

/**
 * What is to be done so that the users of a directory are as it says. Pure.
 *
 * SECURITY: a user is an entry's by what is never given twice, not by name: a name that is taken here stays whose it
 * is. Roles that were given or taken here by hand stay so: what a directory says counts where it changes. What it gives
 * no more is taken, whatever stands against the rest.
 */
export function planSync(
  known: readonly Known[],
  takenNames: ReadonlySet<string>,
  entries: readonly Entry[],
  mappings: readonly DirectoryMapping[],
): readonly Step[] {
  const bySubject = new Map(known.map((one) => [one.subject, one]))
  const taken = new Set(takenNames)
  const seen = new Set<string>()
  const steps: Step[] = []
  for (const entry of entries) {
    if (seen.has(entry.subject)) continue
    seen.add(entry.subject)
    const one = bySubject.get(entry.subject)
    const step = one === undefined ? planNew(entry, taken, mappings) : planKnown(one, entry, mappings)
    if (step === undefined) continue
    if (step.does === 'add') taken.add(step.user.toLowerCase())
    steps.push(step)
  }
  for (const one of known) {
    const step = seen.has(one.subject) ? undefined : planMissing(one)
    if (step !== undefined) steps.push(step)
  }
  return steps.sort((a, b) => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0))
}

function planNew(
  entry: Entry,
  taken: ReadonlySet<string>,
  mappings: readonly DirectoryMapping[],
): Step | undefined {
  if (entry.disabled !== null) return undefined
  const given = givenBy(entry.groups, mappings)
  const base = {
    user: entry.login,
    known: null,
    roles: given.roles,
    entry: {
      subject: entry.subject,
      login: entry.login,
      givenRoles: given.roles,
      policyGroups: given.policyGroups,
      state: 'present' as const,
    },
  }
  if (!nameText.safeParse(entry.login).success)
    return {
      ...base,
      does: 'skip',
      what: 'a user’s name has 1 to 63 letters, digits, dots, dashes or underscores: this one is none',
    }
  if (taken.has(entry.login.toLowerCase()))
    return {
      ...base,
      does: 'skip',
      what: 'somebody else is called that here already, and stays who they are: give one of the two another name',
    }
  const fault = rolesFault(given.roles)
  if (fault !== undefined)
    return { ...base, does: 'skip', what: `cannot hold what their groups give: ${fault}` }
  return { ...base, does: 'add', what: wordsOf(given) }
}

function planKnown(one: Known, entry: Entry, mappings: readonly DirectoryMapping[]): Step | undefined {
  const now = { ...one, login: entry.login }
  if (entry.disabled !== null)
    return off(one, { ...now, state: 'disabled' }, `${entry.disabled} in the directory`)
  const present = { ...now, state: 'present' as const }
  const given = givenBy(entry.groups, mappings)
  if (one.isOff && one.state !== 'present')
    return step(one, 'back', 'is there again, and stays turned off until somebody enables them here', present)
  if (one.isOff) {
    const policyGroups = one.policyGroups.filter((group) => given.policyGroups.includes(group))
    return sameSet(policyGroups, one.policyGroups)
      ? undefined
      : step(one, 'keep', '', { ...present, policyGroups })
  }
  const roles = rolesAfter(one, given.roles)
  const isSame = sameSet(given.roles, one.givenRoles) && sameSet(given.policyGroups, one.policyGroups)
  if (isSame && entry.login === one.login) return undefined
  if (isSame)
    return step(one, 'renamed', `is called ${entry.login} there now, and ${one.name} here as before`, present)
  const fault = rolesFault(roles)
  if (fault !== undefined) return takeOnly(one, given, present, fault)
  return {
    ...step(one, 'change', wordsOf({ roles, policyGroups: given.policyGroups }), {
      ...present,
      givenRoles: given.roles,
      policyGroups: given.policyGroups,
    }),
    roles: sameSet(roles, one.roles) ? null : roles,
  }
}

/**
 * What is done with somebody who cannot hold all that their groups give: those of it that they had and were given no
 * more are taken, nothing is added.
 */
function takeOnly(one: Known, given: ReturnType<typeof givenBy>, entry: Step['entry'], fault: string): Step {
  const givenRoles = one.givenRoles.filter((role) => given.roles.includes(role))
  const policyGroups = one.policyGroups.filter((group) => given.policyGroups.includes(group))
  const roles = rolesAfter(one, givenRoles)
  if (sameSet(givenRoles, one.givenRoles) && sameSet(policyGroups, one.policyGroups))
    return step(one, 'skip', `nothing is added to their roles: ${fault}`, entry)
  return {
    ...step(one, 'change', `${wordsOf({ roles, policyGroups })}; nothing is added: ${fault}`, {
      ...entry,
      givenRoles,
      policyGroups,
    }),
    roles: sameSet(roles, one.roles) ? null : roles,
  }
}

function planMissing(one: Known): Step | undefined {
  return off(one, { ...one, state: 'gone' }, 'is in none of its mapped groups')
}

/** What its groups gave is remembered: what they give no more is taken, should the person come back. */
function off(one: Known, entry: Step['entry'], why: string): Step | undefined {
  if (one.isOff && one.state === entry.state) return undefined
  return step(one, one.isOff ? 'keep' : 'off', why, { ...entry, policyGroups: [] })
}

function step(one: Known, does: Step['does'], what: string, entry: Step['entry']): Step {
  const { subject, login, givenRoles, policyGroups, state } = entry
  const now = { subject, login, givenRoles, policyGroups, state }
  return { does, user: one.name, what, known: one, entry: now, roles: null }
}

/** The roles of somebody to whom a directory gives others than before: what it does not speak of stays. */
export function rolesAfter(
  one: Pick<Known, 'roles' | 'givenRoles'>,
  given: readonly Role[],
): readonly Role[] {
  const taken = one.givenRoles.filter((role) => !given.includes(role))
  const added = given.filter((role) => !one.givenRoles.includes(role))
  return [...new Set([...one.roles.filter((role) => !taken.includes(role)), ...added])]
}

/** How many people it turns off, where those are so many that somebody has to say that it is meant. */
export function tooManyOff(known: readonly Known[], steps: readonly Step[]): number | undefined {
  const on = known.filter(({ isOff }) => !isOff).length
  const going = steps.filter(({ does }) => does === 'off').length
  return going > 3 && going * 3 > on ? going : undefined
}

function wordsOf(given: {
  readonly roles: readonly string[]
  readonly policyGroups: readonly string[]
}): string {
  const groups = given.policyGroups.map((group) => `group ${group}`)
  return [given.roles.length === 0 ? 'no role' : given.roles.join(', '), ...groups].join('; ')
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one))
}
