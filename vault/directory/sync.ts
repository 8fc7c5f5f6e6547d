import type { SyncAnswer, SyncChange } from '../contract.ts'
import { findUser, insertUser, refuseLastAdmin } from '../identity/user.ts'
import type { DirectoryId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { isDatabaseAway, transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { takeOff } from '../vendors/offboarding.ts'
import { type Acting, by, type World } from '../world.ts'
import { readLdap } from './ask-ldap.ts'
import { writeMembers } from './groups.ts'
import { type Entry, type Known, planSync, rolesAfter, type Step, tooManyOff } from './plan.ts'
import { allDirectories, findDirectory, usersOf } from './row.ts'
import { mappingsOf, settingsOf } from './settings.ts'

export type HowToSync = { readonly dryRun?: boolean | undefined; readonly yes?: boolean | undefined }

/**
 * Has the users of a directory be as it says: adds, changes and turns off, all in one transaction, or says what it would
 * do. Where it cannot be read whole nothing changes.
 */
export async function syncDirectory(
  world: World,
  acting: Acting,
  row: Row<'directory'>,
  how: HowToSync,
): Promise<Outcome<SyncAnswer>> {
  const synced = await readAndApply(world, acting, row, how)
  if (how.dryRun !== true) await noteTry(world, row.id, synced)
  return synced
}

async function readAndApply(
  world: World,
  acting: Acting,
  row: Row<'directory'>,
  how: HowToSync,
): Promise<Outcome<SyncAnswer>> {
  const settings = settingsOf(row)
  const mappings = mappingsOf(row)
  if (settings.kind !== 'ldap')
    return refuse(
      'conflict',
      `the directory ${row.name} is not read: it says who somebody is when they sign in`,
      'nothing is to be done',
    )
  if (mappings.length === 0 && (await knownIn(world.vault.database, world.vault.guard, row.id)).length === 0)
    return refuse(
      'conflict',
      `no group of the directory ${row.name} gives anything yet`,
      `say which: tagout directory map ${row.name} GROUP --role operator`,
    )
  const read = await readLdap(
    world,
    row,
    settings,
    mappings.map(({ group }) => group),
  )
  if (!read.ok) return read
  const entries: readonly Entry[] = read.value.people.map(({ subject, login, disabled, groups }) => ({
    subject,
    login,
    disabled,
    groups: groups.flatMap((at) => mappings[at]?.group ?? []),
  }))
  return transact(world, async (tx): Promise<Outcome<SyncAnswer>> => {
    const now = await findDirectory(tx.db, tx.guard, row.id, 'update')
    if (now?.settings !== row.settings || now.mappings !== row.mappings)
      return refuse('conflict', `the directory ${row.name} was changed meanwhile`, 'do it again')
    const known = await knownIn(tx.db, tx.guard, row.id)
    const names = await tx.db.selectFrom('app_user').select('name').execute()
    const taken = new Set(names.map(({ name }) => name.toLowerCase()))
    const steps = planSync(known, taken, entries, mappings)
    const people = entries.length
    if (how.dryRun === true) return done({ applied: false, people, changes: changesOf(steps) })
    const going = tooManyOff(known, steps)
    if (going !== undefined && how.yes !== true)
      return refuse(
        'conflict',
        `the directory ${row.name} would have ${going} of its ${known.filter(({ isOff }) => !isOff).length} users turned off: nothing was changed`,
        `look at whom, and whether it was read right: tagout directory sync ${row.name} --dry-run; then, if it is meant, with --yes`,
      )
    const applied: Step[] = []
    for (const step of steps) applied.push(await applyStep(tx, acting, now, step))
    await writeMembers(
      tx,
      world,
      steps.flatMap(({ known: before, entry }) => [...(before?.policyGroups ?? []), ...entry.policyGroups]),
    )
    const count = (...acts: readonly Step['does'][]) =>
      applied.filter(({ does }) => acts.includes(does)).length
    const changed = changesOf(applied)
    if (changed.some(({ does }) => does !== 'skip') || acting.principal !== undefined)
      await tx.audit({
        kind: 'directory.synced',
        directory: row.id,
        directoryName: row.name,
        people,
        added: count('add'),
        changed: count('change', 'renamed'),
        off: count('off'),
        ...by(acting),
      })
    return done({ applied: true, people, changes: changed })
  })
}

function changesOf(steps: readonly Step[]): readonly SyncChange[] {
  return steps.flatMap(({ does, user, what }) => (does === 'keep' ? [] : [{ does, user, what }]))
}

async function knownIn(
  db: Parameters<typeof usersOf>[0],
  checker: Parameters<typeof usersOf>[1],
  directory: DirectoryId,
): Promise<readonly Known[]> {
  return (await usersOf(db, checker, directory)).map(knownOf)
}

/** A user of a directory as they were when it last spoke of them. */
export function knownOf(one: {
  readonly entry: Row<'directory_user'>
  readonly user: Row<'app_user'>
}): Known {
  const { entry, user } = one
  return {
    user: user.id,
    name: user.name,
    isOff: user.state === 'disabled',
    roles: user.roles,
    subject: entry.subject,
    login: entry.login,
    givenRoles: entry.given_roles,
    policyGroups: entry.policy_groups,
    state: entry.state,
  }
}

/** Does one step, and answers what came of it. */
export async function applyStep(
  tx: Tx,
  acting: Acting,
  directory: Row<'directory'>,
  step: Step,
): Promise<Step> {
  const { known } = step
  const values = {
    subject: step.entry.subject,
    login: step.entry.login,
    given_roles: [...step.entry.givenRoles],
    policy_groups: [...step.entry.policyGroups],
    state: step.entry.state,
    seen_at: tx.now,
  }
  const audit = (user: Row<'app_user'>, what: string) =>
    tx.audit({
      kind: 'directory.person',
      directory: directory.id,
      directoryName: directory.name,
      user: user.id,
      name: user.name,
      what,
      ...by(acting),
    })
  if (known === null) {
    if (step.does !== 'add') return step
    const user = await insertUser(tx, acting, step.user, step.roles ?? [])
    await insertGuarded(tx, 'directory_user', { user_id: user.id, directory_id: directory.id, ...values })
    await audit(user, `was added: ${step.what}`)
    return step
  }
  const user = await findUser(tx.db, tx.guard, known.user, 'update')
  if (user === undefined) throw new TypeError('the user of a directory is a user')
  if (step.does === 'skip') return step
  if (step.does === 'off' && user.roles.includes('admin')) {
    const last = await refuseLastAdmin(tx, user)
    if (last !== undefined) {
      // What its groups gave is taken all the same.
      const entry = (await usersEntry(tx, user.id)) as Row<'directory_user'>
      if (entry.policy_groups.length > 0)
        await updateGuarded(tx, 'directory_user', entry, { policy_groups: [] })
      return {
        ...step,
        does: 'skip',
        what: `${step.what}, and stays on: they are the last active administrator; make another one, then turn them off`,
      }
    }
  }
  const before = (await usersEntry(tx, user.id)) as Row<'directory_user'>
  await updateGuarded(tx, 'directory_user', before, values)
  if (step.does === 'keep') return step
  if (step.does === 'off') {
    if (user.state === 'disabled') return { ...step, does: 'keep' }
    await takeOff(tx, acting, [user], {
      user: user.id,
      company: null,
      reason: `the directory ${directory.name}: ${step.what}`,
    })
  }
  if (step.roles !== null) {
    const roles = [...rolesAfter({ roles: user.roles, givenRoles: known.givenRoles }, step.entry.givenRoles)]
    await updateGuarded(tx, 'app_user', user, { roles })
    await tx.audit({ kind: 'user.roles', user: user.id, name: user.name, roles, ...by(acting) })
  }
  await audit(user, step.what)
  return step
}

async function usersEntry(tx: Tx, user: Row<'app_user'>['id']): Promise<Row<'directory_user'> | undefined> {
  const row = await tx.db
    .selectFrom('directory_user')
    .selectAll()
    .where('user_id', '=', user)
    .forUpdate()
    .executeTakeFirst()
  if (row !== undefined) tx.guard.check('directory_user', row as never)
  return row
}

/** Writes down how a try went: shown to people. A fault is in the audit log when it begins. */
async function noteTry(world: World, id: DirectoryId, outcome: Outcome<unknown>): Promise<void> {
  await world.vault.inTransaction(async (tx) => {
    const row = await findDirectory(tx.db, tx.guard, id, 'update')
    if (row === undefined) return
    const fault = outcome.ok ? null : outcome.refusal.message
    await tx.db
      .updateTable('directory')
      .set({ last_try_at: tx.now, last_fault: fault, ...(outcome.ok ? { last_sync_at: tx.now } : {}) })
      .where('id', '=', id)
      .execute()
    if (fault !== null && fault !== row.last_fault)
      await tx.audit({
        kind: 'directory.failed',
        directory: id,
        directoryName: row.name,
        why: fault,
        actor: { kind: 'vault' },
      })
  })
}

const lookEveryMs = 5_000

/**
 * Reads directories when it is time, one after the other. Ends when it is disposed of.
 *
 * SECURITY: when each was last read is kept in memory: a row that somebody writes puts it off for nobody.
 */
export function startSyncing(world: World): AsyncDisposable {
  const tried = new Map<DirectoryId, number>()
  let running: Promise<void> | undefined
  const look = async () => {
    if (world.vault.isSealed) return
    try {
      for (const row of await allDirectories(world.vault.database, world.vault.guard)) {
        const now = world.vault.clock().getTime()
        const last = tried.get(row.id)
        if (row.kind !== 'ldap' || row.sync_minutes === 0) continue
        if (last !== undefined && now - last < row.sync_minutes * 60_000) continue
        tried.set(row.id, now)
        // Nobody has said yet what its groups give: there is nothing to read.
        if (mappingsOf(row).length === 0) continue
        await syncDirectory(world, byItself(world, row), row, {})
      }
    } catch (error) {
      if (!isDatabaseAway(error)) world.onFault('directory', error)
    }
  }
  const timer = setInterval(() => {
    running ??= look().finally(() => {
      running = undefined
    })
  }, lookEveryMs)
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await running
    },
  }
}

function byItself(world: World, row: Row<'directory'>): Acting {
  return { world, actor: { kind: 'vault' }, name: `directory ${row.name}` }
}
