import type { Kysely } from 'kysely'
import { type Account, currentCredential, findAccount, readAccount } from '../accounts/account.ts'
import { enabledBy } from '../accounts/elevation.ts'
import { readPolicy } from '../access/policy.ts'
import type { Dependant, RotationSettings } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { canonicalJson } from '../kernel/encoding.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, type Input, nameOf } from '../world.ts'
import { type LockOut, usualLockOut } from './budget.ts'
import { connectorOf, connectors } from './connectors.ts'
import { dependantsNamed, dependantsOf } from './dependants.ts'
import { narrowed, profiles, strengthOf } from './profile.ts'
import { type PasswordProfile, toldRules } from './profile-shape.ts'
import { connectorOfFormat, findingsOf, referenceOf } from './recipes/recipe.ts'
import { type KnownRecipe, recipeNamed } from './recipes/stored.ts'
import { dueOf, scheduleFault } from './schedule.ts'
import { throughNamed } from './through.ts'

type Db = Kysely<Database>
type Settings = Omit<Row<'account_rotation'>, 'epoch' | 'mac' | 'set_by' | 'set_at' | 'told' | 'told_at'>

/** How the account is rotated; undefined: nobody has said. */
export async function settingsRow(
  db: Db,
  checker: Checker,
  account: Row<'account'>['id'],
): Promise<Row<'account_rotation'> | undefined> {
  const row = checkedOne(
    checker,
    'account_rotation',
    await db.selectFrom('account_rotation').selectAll().where('account_id', '=', account).executeTakeFirst(),
  )
  // SECURITY: an essential account whose row somebody took away would be rotated by itself.
  if (row === undefined) checker.checkAbsent('account_rotation', { account_id: account })
  return row
}

/** Why an account is not rotated of which nobody has said how. */
export function unsetReason(isEnableSecret: boolean): string {
  return isEnableSecret
    ? 'it is what enable asks for, which no connector changes: people do (G3, with a profile), on the machine'
    : 'nobody has said how it is changed'
}

/** The name of the profile by which passwords are made for an account; null: none are made. */
export function profileOf(row: Pick<Settings, 'connector' | 'profile'> | undefined): string | null {
  return row === undefined ? null : (row.profile ?? connectorOf(row.connector)?.profile ?? null)
}

/** How a rotation of it goes: by a machine, or by people. */
export function kindOf(row: Pick<Settings, 'grade'> | undefined): 'rotate' | 'assist' {
  return row?.grade === 'G3' ? 'assist' : 'rotate'
}

/**
 * What passwords of an account are made by: its profile, narrowed by what its machine said. Null: none are made; undefined:
 * none could be.
 */
export function makerOf(
  row: Pick<Row<'account_rotation'>, 'connector' | 'profile' | 'told'> | undefined,
): PasswordProfile | null | undefined {
  const name = profileOf(row)
  if (name === null) return null
  const profile = profiles[name]
  const told = row?.told ?? null
  if (profile === undefined || told === null) return profile
  return narrowed(profile, toldRules.parse(JSON.parse(told)))
}

/** What locks the account out at its target, as far as is known. */
export function lockOutOf(row: Settings | undefined): LockOut | undefined {
  if (row === undefined) return undefined
  if (row.lock_out_refused !== null && row.lock_out_seconds !== null)
    return { refused: row.lock_out_refused, seconds: row.lock_out_seconds }
  return profiles[profileOf(row) ?? '']?.lockOut ?? usualLockOut
}

/** The recipe by which an account is rotated; undefined: none is named, or it is gone. */
export async function recipeOf(
  db: Db,
  checker: Checker,
  row: Pick<Settings, 'recipe'> | undefined,
): Promise<KnownRecipe | undefined> {
  return row === undefined || row.recipe === null ? undefined : recipeNamed(db, checker, row.recipe)
}

/** Settings as people see them. */
export async function showSettings(
  db: Db,
  checker: Checker,
  account: Account,
  now: Date,
): Promise<RotationSettings> {
  const row = await settingsRow(db, checker, account.id)
  const current = await currentCredential(db, checker, account.id)
  const nameOfAccount = async (id: Account['id'] | null) =>
    id === null ? null : ((await readAccount(db, checker, id))?.name ?? null)
  const named = (dependants: readonly Dependant[]): Promise<readonly Dependant[]> =>
    Promise.all(
      dependants.map(async ({ place, kind }) => ({
        place: kind === 'account' ? ((await nameOfAccount(place as Account['id'])) ?? place) : place,
        kind,
      })),
    )
  const profile = profileOf(row)
  const known = makerOf(row)
  const recipe = await recipeOf(db, checker, row)
  const due = dueOf(row, current?.created_at)
  return {
    account: account.name,
    grade: row?.grade ?? 'G4',
    gradeReason: row?.grade_reason ?? unsetReason((await enabledBy(db, checker, [account.id])).size > 0),
    connector: row?.connector ?? null,
    recipe: row?.recipe ?? null,
    findings: recipe === undefined ? [] : findingsOf(recipe.recipe),
    profile,
    strength: known === undefined || known === null ? null : strengthOf(known),
    toldAt: row?.told_at?.toISOString() ?? null,
    maxAgeDays: row?.max_age_days ?? null,
    schedule:
      row === undefined || row.schedule === null || row.schedule_zone === null
        ? null
        : { cron: row.schedule, zone: row.schedule_zone },
    leakAtOnce: row?.leak_at_once ?? false,
    calendar: row?.calendar ?? null,
    essential: row?.essential ?? false,
    afterCheckIn: row?.after_check_in ?? false,
    afterReveal: row?.after_reveal ?? false,
    reconcileAccount: await nameOfAccount(row?.reconcile_account_id ?? null),
    throughAccount: await nameOfAccount(row?.through_account_id ?? null),
    dependants: await named(dependantsOf(row)),
    lockOut: lockOutOf(row) ?? null,
    exemption:
      row === undefined || row.exempt_owner === null || row.exempt_until === null
        ? null
        : {
            owner: row.exempt_owner,
            until: row.exempt_until.toISOString(),
            isOver: row.exempt_until <= now,
          },
    setBy: row?.set_by ?? null,
    setAt: row?.set_at.toISOString() ?? null,
    since: current?.created_at.toISOString() ?? null,
    dueAt: due?.toISOString() ?? null,
  }
}

export const rotationSettings: Handler<'rotation.settings'> = async ({ world }, input) => {
  const { database, guard, clock } = world.vault
  const account = await findAccount(database, guard, input.account)
  return account === undefined
    ? notFound('account', input.account)
    : done(await showSettings(database, guard, account, clock()))
}

export const rotationConnectors: Handler<'rotation.connectors'> = async () =>
  done({
    connectors: Object.entries(connectors).map(
      ([name, { title, protocols, credential, recipes, persists, retires, reconciles, through, tells }]) => ({
        ...{ name, title, protocols, credential, persists, retires, reconciles },
        recipes: recipes ?? null,
        through: through !== undefined,
        tells,
      }),
    ),
    profiles: Object.values(profiles).map((profile) => {
      const { name, title, least, most } = profile
      return { name, title, least, most, strength: strengthOf(profile) }
    }),
  })

/** Says how an account is rotated. What is not named stays as it is. */
export const rotationSet: Handler<'rotation.set'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const account = await findAccount(tx.db, tx.guard, input.account, 'update')
    if (account === undefined) return notFound('account', input.account)
    const before = await settingsRow(tx.db, tx.guard, account.id)
    const wanted = await wantedOf(tx, account, before, input)
    if (!wanted.ok) return wanted
    // What another kind of machine said of itself is forgotten with its connector.
    const keeps = before !== undefined && before.connector === wanted.value.connector
    const told = keeps ? { told: before.told, told_at: before.told_at } : { told: null, told_at: null }
    const values = { ...wanted.value, ...told, set_by: nameOf(call), set_at: tx.now }
    if (before === undefined) await insertGuarded(tx, 'account_rotation', values)
    else await updateGuarded(tx, 'account_rotation', before, values)
    const shown = await showSettings(tx.db, tx.guard, account, tx.now)
    const { grade, gradeReason, connector, profile, maxAgeDays, calendar, essential } = shown
    await tx.audit({
      kind: 'rotation.set',
      ...{ grade, gradeReason, connector, profile, maxAgeDays, calendar, essential },
      afterCheckIn: shown.afterCheckIn,
      afterReveal: shown.afterReveal,
      reconcileAccount: shown.reconcileAccount,
      ...(shown.throughAccount === null ? {} : { throughAccount: shown.throughAccount }),
      ...(shown.recipe === null ? {} : { recipe: shown.recipe }),
      dependants: shown.dependants.map(({ place, kind }) => `${kind}: ${place}`),
      ...(shown.schedule === null ? {} : { schedule: `${shown.schedule.cron} ${shown.schedule.zone}` }),
      ...(shown.leakAtOnce ? { leakAtOnce: true } : {}),
      ...(shown.lockOut === null ? {} : { lockOut: { ...shown.lockOut } }),
      ...(shown.exemption === null
        ? {}
        : { exemption: { owner: shown.exemption.owner, until: shown.exemption.until } }),
      account: account.id,
      accountName: account.name,
      ...by(call),
    })
    return done(shown)
  })

async function wantedOf(
  tx: Tx,
  account: Account,
  before: Row<'account_rotation'> | undefined,
  input: Input<'rotation.set'>,
): Promise<Outcome<Settings>> {
  const reconciler = await reconcilerOf(tx, account, before, input.reconcileAccount)
  if (!reconciler.ok) return reconciler
  const dependants =
    input.dependants === undefined
      ? done(dependantsOf(before))
      : await dependantsNamed(tx, account, input.dependants)
  if (!dependants.ok) return dependants
  const through = await throughNamed(tx, account, before, input.throughAccount)
  if (!through.ok) return through
  const connector = given(input.connector, before?.connector ?? null)
  const recipe = await chosenRecipe(tx, connector, before, input)
  if (!recipe.ok) return recipe
  const exemption = input.exemption
  const lockOut = input.lockOut
  const wanted: Settings = {
    account_id: account.id,
    grade: input.grade ?? before?.grade ?? (connector === null ? 'G4' : 'G1'),
    grade_reason: input.gradeReason ?? before?.grade_reason ?? '',
    connector,
    recipe: recipe.value === undefined ? null : referenceOf(recipe.value.recipe),
    // Who chooses a recipe means its passwords too, unless they say otherwise.
    profile:
      recipe.value !== undefined &&
      (input.profile === null || (input.profile === undefined && input.recipe !== undefined))
        ? recipe.value.recipe.profile
        : given(input.profile, before?.profile ?? null),
    max_age_days: given(input.maxAgeDays, before?.max_age_days ?? null),
    calendar: given(input.calendar, before?.calendar ?? null),
    essential: input.essential ?? before?.essential ?? false,
    after_check_in: input.afterCheckIn ?? before?.after_check_in ?? false,
    after_reveal: input.afterReveal ?? before?.after_reveal ?? false,
    reconcile_account_id: reconciler.value,
    through_account_id: through.value,
    schedule: input.schedule === undefined ? (before?.schedule ?? null) : (input.schedule?.cron ?? null),
    schedule_zone:
      input.schedule === undefined ? (before?.schedule_zone ?? null) : (input.schedule?.zone ?? null),
    leak_at_once: input.leakAtOnce ?? before?.leak_at_once ?? null,
    dependants: canonicalJson(dependants.value.map(({ place, kind }) => ({ place, kind }))),
    lock_out_refused: lockOut === undefined ? (before?.lock_out_refused ?? null) : (lockOut?.refused ?? null),
    lock_out_seconds: lockOut === undefined ? (before?.lock_out_seconds ?? null) : (lockOut?.seconds ?? null),
    exempt_owner: exemption === undefined ? (before?.exempt_owner ?? null) : (exemption?.owner ?? null),
    exempt_until:
      exemption === undefined
        ? (before?.exempt_until ?? null)
        : exemption === null
          ? null
          : new Date(exemption.until),
  }
  return (await faultOf(tx, account, wanted)) ?? recipeFault(account, wanted, recipe.value) ?? done(wanted)
}

async function chosenRecipe(
  tx: Tx,
  connector: string | null,
  before: Row<'account_rotation'> | undefined,
  input: Input<'rotation.set'>,
): Promise<Outcome<KnownRecipe | undefined>> {
  // A recipe goes with the connector that followed it.
  const kept = connector === (before?.connector ?? null) ? (before?.recipe ?? null) : null
  const wanted = given(input.recipe, kept)
  if (wanted === null) return done(undefined)
  const found = await recipeNamed(tx.db, tx.guard, wanted)
  return found === undefined ? notFound('recipe', wanted) : done(found)
}

function recipeFault(
  account: Account,
  { connector }: Settings,
  known: KnownRecipe | undefined,
): Outcome<never> | undefined {
  const format = connectorOf(connector)?.recipes ?? null
  const next = 'see: tagout rotation recipe list'
  if (known === undefined)
    return format === null
      ? undefined
      : refuse(
          'invalid',
          `recipe: ${connector} changes nothing without one`,
          `name one with --recipe; ${next}`,
        )
  const { recipe } = known
  if (recipe.format !== format)
    return refuse(
      'invalid',
      `recipe: ${recipe.name} is for the connector ${connectorOfFormat[recipe.format]}`,
      'name that one, or another recipe',
    )
  return (recipe.protocols as readonly string[]).includes(account.target.protocol)
    ? undefined
    : refuse('invalid', `recipe: ${recipe.name} is not for targets of ${account.target.protocol}`, next)
}

/** What is not named stays; null takes it away. */
function given<T>(value: T | null | undefined, before: T | null): T | null {
  return value === undefined ? before : value
}

async function reconcilerOf(
  tx: Tx,
  account: Account,
  before: Row<'account_rotation'> | undefined,
  wanted: string | null | undefined,
): Promise<Outcome<Row<'account'>['id'] | null>> {
  if (wanted === undefined) return done(before?.reconcile_account_id ?? null)
  if (wanted === null) return done(null)
  const found = await findAccount(tx.db, tx.guard, wanted)
  if (found === undefined) return notFound('account', wanted)
  if (found.id === account.id)
    return refuse(
      'invalid',
      'reconcileAccount: an account does not reconcile itself',
      'name a privileged one',
    )
  // SECURITY: whoever manages this safe would have another safe's account used for theirs.
  if (found.target_id !== account.target_id || found.safe_id !== account.safe_id)
    return refuse(
      'invalid',
      'reconcileAccount: it is of another target or in another safe',
      `name a privileged account of ${account.target.name}`,
    )
  return done(found.id)
}

async function faultOf(tx: Tx, account: Account, wanted: Settings): Promise<Outcome<never> | undefined> {
  const entry = connectorOf(wanted.connector)
  if (wanted.connector !== null && entry === undefined)
    return refuse(
      'invalid',
      `connector: there is no ${JSON.stringify(wanted.connector)}`,
      `choose from ${Object.keys(connectors).join(', ')}`,
    )
  if (entry !== undefined && !entry.protocols.includes(account.target.protocol))
    return refuse(
      'invalid',
      `connector: it is not for targets of ${account.target.protocol}`,
      'see: tagout rotation connectors',
    )
  const current = await currentCredential(tx.db, tx.guard, account.id)
  if (entry !== undefined && current !== undefined && current.kind !== entry.credential)
    return refuse(
      'invalid',
      `connector: it changes ${entry.credential === 'password' ? 'passwords' : 'keys'}, and ${account.name} has a ${current.kind === 'password' ? 'password' : 'key'}`,
      'see: tagout rotation connectors',
    )
  if (wanted.profile !== null && profiles[wanted.profile] === undefined)
    return refuse(
      'invalid',
      `profile: there is no ${JSON.stringify(wanted.profile)}`,
      `choose from ${Object.keys(profiles).join(', ')}`,
    )
  if (wanted.calendar !== null) {
    const { document } = await readPolicy(tx.db, tx.guard)
    if (!Object.hasOwn(document.calendars ?? {}, wanted.calendar))
      return refuse(
        'invalid',
        `calendar: the policy has none of the name ${wanted.calendar}`,
        'add it to the policy first: tagout policy apply',
      )
  }
  if (wanted.grade === 'G2' && wanted.calendar === null)
    return refuse('invalid', 'grade: G2 is changed in a window alone', 'name a calendar of the policy')
  if (wanted.grade !== 'G1' && wanted.grade_reason === '')
    return refuse('invalid', 'gradeReason: say why it is not simply changed', 'it is shown beside the grade')
  if (wanted.grade === 'G4' && wanted.exempt_owner === null)
    return refuse(
      'invalid',
      'exemption: a credential that nobody changes has an owner, and a day on which it is looked at again',
      'name both',
    )
  if (wanted.exempt_until !== null && wanted.exempt_until <= tx.now)
    return refuse('invalid', 'exemption: it lies in the past', 'choose a later day')
  const scheduled =
    wanted.schedule === null ? undefined : scheduleFault(wanted.schedule, wanted.schedule_zone ?? '')
  if (scheduled !== undefined)
    return refuse('invalid', scheduled, 'write it like 0 2 1 */3 *, in a zone like Europe/Berlin')
  const automatic =
    wanted.max_age_days !== null || wanted.schedule !== null || wanted.after_check_in || wanted.after_reveal
  if (wanted.grade === 'G3' && entry !== undefined && entry.credential !== 'password')
    return refuse(
      'invalid',
      'connector: people set passwords, and it logs in with keys',
      'name none, or another',
    )
  if (automatic && wanted.grade === 'G3' && profileOf(wanted) === null)
    return refuse(
      'invalid',
      'profile: nobody has said which passwords its machine takes',
      'name one: tagout rotation connectors',
    )
  if (automatic && wanted.grade !== 'G3' && wanted.connector === null)
    return refuse(
      'invalid',
      'connector: nothing rotates by itself without one',
      'see: tagout rotation connectors',
    )
  if (automatic && wanted.essential)
    return refuse(
      'invalid',
      'essential: an essential account is never rotated by itself',
      'take its schedule away, or say that it is not essential',
    )
  return undefined
}
