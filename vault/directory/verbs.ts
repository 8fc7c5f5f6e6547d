import type { Kysely } from 'kysely'
import type { DirectoryDetail, DirectoryMapping, DirectorySettings, DirectoryView } from '../contract.ts'
import { lockMarks } from '../access/follow.ts'
import { readPolicyRow, policyOf } from '../access/policy.ts'
import type { Database } from '../db/tables.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { openDirectorySecret } from '../identity/intake.ts'
import { findUser, refuseLastAdmin } from '../identity/user.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, nameOf } from '../world.ts'
import { takeOff } from '../vendors/offboarding.ts'
import { readLdap } from './ask-ldap.ts'
import { certificateFinding } from './certificate.ts'
import { testOidc } from './ask-oidc.ts'
import { writeMembers } from './groups.ts'
import { allDirectories, findDirectory, usersOf } from './row.ts'
import { sealDirectorySecret } from './secret.ts'
import { encodeMappings, encodeSettings, mappingsOf, settingsOf } from './settings.ts'
import { syncDirectory } from './sync.ts'

type Db = Kysely<Database>

/** How often a directory is read where nobody says otherwise. */
const usualMinutes = 15
const mostMappings = 200

/** Where a directory is, and who it is known as and by: a secret goes there and nowhere else. */
const whereTo = ['url', 'certificates', 'bindName', 'issuer', 'clientId']

/** What decides who of it is in a group, beside where it is. */
const whoIsIn = ['flavour', 'base', 'userFilter', 'groupsClaim']

/**
 * Which of these groups the policy in force names, where it takes two people to change it. Nobody applies another policy
 * before the transaction has ended.
 *
 * SECURITY: who puts people into a group of the policy changes who may what, and in limits who is held to them.
 */
async function namedByTwo(tx: Tx, groups: readonly (string | null)[]): Promise<string | undefined> {
  await lockMarks(tx)
  const policy = policyOf(await readPolicyRow(tx.db, tx.guard, 'share'))
  if (policy.document.applyBy !== 'two') return undefined
  return groups.find((name) => name !== null && policy.groups.has(name.toLowerCase())) ?? undefined
}

/**
 * The groups of the policy in force, where this is none of them; undefined: it is, or there is no group yet, or two
 * people change the policy, who name afterwards what was mapped.
 */
async function groupsBeside(tx: Tx, group: string): Promise<readonly string[] | undefined> {
  const { document, groups } = policyOf(await readPolicyRow(tx.db, tx.guard, 'share'))
  if (document.applyBy === 'two' || groups.size === 0 || groups.has(group.toLowerCase())) return undefined
  return Object.keys(document.groups ?? {}).sort()
}

function refuseAlone(group: string, next: string): Outcome<never> {
  return refuse('conflict', `the policy names the group ${group}, and is changed by two people`, next)
}

/** Where a directory is. */
function addressOf(settings: DirectorySettings): string {
  return settings.kind === 'ldap' ? settings.url : settings.issuer
}

/** What Tagout proves itself with there, in words. */
function secretText(settings: DirectorySettings): string {
  return settings.kind === 'ldap' ? 'the password of the bind name' : 'the secret of the client'
}

export const directoryAdd: Handler<'directory.add'> = async (call, input) => {
  const { world } = call
  // A client of a provider may be a public one: PKCE proves that it is the one that began.
  if (input.sealedSecret === undefined && input.settings.kind === 'ldap')
    return refuse(
      'invalid',
      'sealedSecret: a directory is read with a name and its password',
      'give the password of the bind name',
    )
  const opened =
    input.sealedSecret === undefined
      ? undefined
      : openDirectorySecret(world, input.sealedSecret, input.name, input.settings)
  if (opened !== undefined && !opened.ok) return opened
  using secret = opened?.value
  return await transact(world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    if ((await findDirectory(tx.db, tx.guard, input.name)) !== undefined)
      return refuse('conflict', `there is a directory ${input.name} already`, 'choose another name')
    const id = newId('dir', tx.now.getTime())
    const row = await insertGuarded(tx, 'directory', {
      id,
      name: input.name,
      kind: input.settings.kind,
      settings: encodeSettings(input.settings),
      secret: secret === undefined ? null : sealDirectorySecret(world, id, input.settings, secret),
      mappings: encodeMappings([]),
      sync_minutes: input.syncMinutes ?? usualMinutes,
      added_by: nameOf(call),
      added_at: tx.now,
      removed_at: null,
      last_sync_at: null,
      last_try_at: null,
      last_fault: null,
    })
    await tx.audit({
      kind: 'directory.added',
      directory: id,
      directoryName: row.name,
      at: addressOf(input.settings),
      ...by(call),
    })
    return done(viewOf(row, 0))
  })
}

export const directoryChange: Handler<'directory.change'> = async (call, input) => {
  const { world } = call
  const found = await findDirectory(world.vault.database, world.vault.guard, input.directory)
  if (found === undefined) return notFound('directory', input.directory)
  return await transact(world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findDirectory(tx.db, tx.guard, found.id, 'update')
    if (row === undefined) return notFound('directory', input.directory)
    const before = settingsOf(row)
    const settings = input.settings ?? before
    if (settings.kind !== before.kind)
      return refuse('conflict', `the directory ${row.name} is one of ${before.kind}`, 'add another one')
    const opened =
      input.sealedSecret === undefined
        ? undefined
        : openDirectorySecret(world, input.sealedSecret, row.name, settings)
    if (opened !== undefined && !opened.ok) return opened
    using secret = opened?.value
    const changed = differences(before, settings)
    // SECURITY: whoever could have the password sent somewhere else would have it.
    const moved = whereTo.find((one) => changed.includes(one))
    if (moved !== undefined && secret === undefined && row.secret !== null)
      return refuse(
        'invalid',
        `sealedSecret: with another ${moved} the secret is given anew`,
        `give ${secretText(settings)}`,
      )
    // SECURITY: a subject is somebody at its issuer alone (OpenID Connect Core §5.7): another's would be let in as them.
    if (changed.includes('issuer') && (await hasUsers(tx, row)))
      return refuse(
        'conflict',
        `issuer: the users of ${row.name} are known by it, and another may call somebody else the same`,
        'add another directory for the other issuer',
      )
    const named =
      call.principal.kind === 'user' && [...whereTo, ...whoIsIn].some((one) => changed.includes(one))
        ? await namedByTwo(tx, policyGroupsOf(row))
        : undefined
    if (named !== undefined)
      return refuseAlone(named, 'who is in its groups would change: have the machine administrator do it')
    const minutes = input.syncMinutes ?? row.sync_minutes
    const what = [
      ...changed,
      ...(secret === undefined ? [] : ['password']),
      ...(minutes === row.sync_minutes ? [] : ['syncMinutes']),
    ]
    if (what.length === 0) return refuse('conflict', `the directory ${row.name} is so already`)
    const after = await updateGuarded(tx, 'directory', row, {
      settings: encodeSettings(settings),
      sync_minutes: minutes,
      ...(secret === undefined ? {} : { secret: sealDirectorySecret(world, row.id, settings, secret) }),
    })
    await tx.audit({
      kind: 'directory.changed',
      directory: row.id,
      directoryName: row.name,
      what,
      ...by(call),
    })
    // What speaks with it holds a connection to none: but it might hang on the old one.
    tx.afterCommit(() => world.directories.end(row.id))
    return done(viewOf(after, await countPeople(tx.db, after)))
  })
}

/** Whether anybody is of a directory, or was: who was turned off may be turned on again. */
async function hasUsers(tx: Tx, row: Row<'directory'>): Promise<boolean> {
  const query = tx.db.selectFrom('directory_user').select('user_id').where('directory_id', '=', row.id)
  return (await query.limit(1).executeTakeFirst()) !== undefined
}

function differences(before: DirectorySettings, after: DirectorySettings): readonly string[] {
  const text = (of: DirectorySettings, key: string) => JSON.stringify(Reflect.get(of, key))
  return Object.keys(after).filter((key) => text(before, key) !== text(after, key))
}

export const directoryMap: Handler<'directory.map'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findDirectory(tx.db, tx.guard, input.directory, 'update')
    if (row === undefined) return notFound('directory', input.directory)
    const { group, policyGroup } = input
    const roles = [...new Set(input.roles)].sort()
    if (roles.length === 0 && policyGroup !== null)
      return refuse(
        'invalid',
        'roles: its members are users, and each has a role',
        'give operator, approver or supervisor',
      )
    const present = mappingsOf(row)
    const before = present.find((one) => one.group.toLowerCase() === group.toLowerCase())
    const others = present.filter((one) => one !== before)
    if (roles.length === 0 && before === undefined)
      return refuse(
        'not_found',
        `the group is not one that gives anything in ${row.name}`,
        `see: tagout directory show ${row.name}`,
      )
    if (others.length >= mostMappings)
      return refuse('invalid', `a directory gives to ${mostMappings} groups at most`)
    const unknown =
      samePolicyGroup(before?.policyGroup ?? null, policyGroup) || policyGroup === null
        ? undefined
        : await groupsBeside(tx, policyGroup)
    if (unknown !== undefined)
      return refuse(
        'invalid',
        `policyGroup: the policy has no group ${policyGroup}; it has ${unknown.join(', ')}`,
        'choose one of these, or put the group into the policy first (it may be empty there)',
      )
    const named =
      before?.group === group && samePolicyGroup(before.policyGroup, policyGroup)
        ? undefined
        : await namedByTwo(tx, [before?.policyGroup ?? null, policyGroup])
    if (named !== undefined)
      return refuseAlone(
        named,
        'map a group that the policy does not name yet, then have two people put that into the policy',
      )
    const mappings: readonly DirectoryMapping[] =
      roles.length === 0 ? others : [...others, { group, roles, policyGroup }]
    const after = await updateGuarded(tx, 'directory', row, { mappings: encodeMappings(mappings) })
    await tx.audit({
      kind: 'directory.mapped',
      directory: row.id,
      directoryName: row.name,
      group,
      roles,
      ...(policyGroup === null ? {} : { policyGroup }),
      ...by(call),
    })
    return done(viewOf(after, await countPeople(tx.db, after)))
  })

function policyGroupsOf(row: Row<'directory'>): readonly (string | null)[] {
  return mappingsOf(row).map(({ policyGroup }) => policyGroup)
}

function samePolicyGroup(one: string | null, other: string | null): boolean {
  return one?.toLowerCase() === other?.toLowerCase()
}

export const directoryList: Handler<'directory.list'> = async ({ world }) => {
  const { database, guard } = world.vault
  const views: DirectoryView[] = []
  for (const row of await allDirectories(database, guard))
    views.push(viewOf(row, await countPeople(database, row)))
  return done(views)
}

export const directoryShow: Handler<'directory.show'> = async ({ world }, input) =>
  transact(world, async (tx) => {
    const row = await findDirectory(tx.db, tx.guard, input.directory)
    return row === undefined
      ? notFound('directory', input.directory)
      : done(await detailOf(tx.db, tx.guard, row))
  })

async function detailOf(db: Db, checker: Checker, row: Row<'directory'>): Promise<DirectoryDetail> {
  const users = await usersOf(db, checker, row.id)
  const policy = policyOf(await readPolicyRow(db, checker))
  const wanted = mappingsOf(row).flatMap(({ policyGroup }) => policyGroup ?? [])
  return {
    ...viewOf(row, users.filter(({ user }) => user.state !== 'disabled').length),
    users: users.map(({ entry, user }) => ({
      user: user.name,
      login: entry.login,
      state: user.state,
      entry: entry.state,
      roles: user.roles,
      policyGroups: entry.policy_groups,
    })),
    unknownPolicyGroups: [...new Set(wanted)].filter((name) => !policy.groups.has(name.toLowerCase())),
  }
}

/** Takes a directory away. Its users, where that is meant, are taken off with it. */
export const directoryRemove: Handler<'directory.remove'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await findDirectory(tx.db, tx.guard, input.directory, 'update')
    if (row === undefined) return notFound('directory', input.directory)
    const users = await usersOf(tx.db, tx.guard, row.id)
    const on = users.filter(({ user }) => user.state !== 'disabled')
    if (on.length > 0 && input.withPeople !== true)
      return refuse(
        'conflict',
        `the directory ${row.name} has ${on.length} ${on.length === 1 ? 'user who is' : 'users who are'} not turned off`,
        `they are taken off with it: tagout directory remove ${row.name} --with-people`,
      )
    for (const { user } of on) {
      const own = call.principal.kind === 'user' && call.principal.id === user.id
      if (own) return refuse('conflict', 'you are a user of it yourself', 'have another administrator do it')
      const locked = await findUser(tx.db, tx.guard, user.id, 'update')
      if (locked === undefined || locked.state === 'disabled') continue
      if (locked.roles.includes('admin')) {
        const last = await refuseLastAdmin(tx, locked)
        if (last !== undefined) return last
      }
      await takeOff(tx, call, [locked], {
        user: user.id,
        company: null,
        reason: `the directory ${row.name} was taken away`,
      })
    }
    for (const { entry } of users)
      await updateGuarded(tx, 'directory_user', entry, { policy_groups: [], state: 'gone' })
    await writeMembers(
      tx,
      call.world,
      users.flatMap(({ entry }) => entry.policy_groups),
    )
    await updateGuarded(tx, 'directory', row, { removed_at: tx.now, secret: null })
    await tx.audit({
      kind: 'directory.removed',
      directory: row.id,
      directoryName: row.name,
      people: on.length,
      ...by(call),
    })
    tx.afterCommit(() => call.world.directories.end(row.id))
    return done(null)
  })

export const directorySync: Handler<'directory.sync'> = async (call, input) => {
  const { database, guard } = call.world.vault
  const row = await findDirectory(database, guard, input.directory)
  if (row === undefined) return notFound('directory', input.directory)
  return syncDirectory(call.world, call, row, input)
}

/** Reads a directory as a synchronisation would, and changes nothing. */
export const directoryTest: Handler<'directory.test'> = async (call, input) => {
  const { world } = call
  const row = await findDirectory(world.vault.database, world.vault.guard, input.directory)
  if (row === undefined) return notFound('directory', input.directory)
  const settings = settingsOf(row)
  const groups = mappingsOf(row).map(({ group }) => group)
  const began = performance.now()
  if (settings.kind === 'oidc') {
    const tested = await testOidc(world, row, settings)
    // Who is in which group a provider says of whoever signs in, and of nobody else.
    return tested.ok
      ? done({
          people: null,
          groups: [],
          findings: tested.value,
          milliseconds: Math.round(performance.now() - began),
        })
      : tested
  }
  const read = await readLdap(world, row, settings, groups)
  if (!read.ok) return read
  return done({
    people: read.value.all,
    groups: groups.map((group, at) => ({ group, members: read.value.members[at] ?? 0 })),
    findings: [certificateFinding(read.value.certificateUntil, world.vault.clock())],
    milliseconds: Math.round(performance.now() - began),
  })
}

function viewOf(row: Row<'directory'>, people: number): DirectoryView {
  return {
    id: row.id,
    name: row.name,
    settings: settingsOf(row),
    hasSecret: row.secret !== null,
    mappings: mappingsOf(row),
    syncMinutes: row.sync_minutes,
    people,
    lastSyncAt: row.last_sync_at?.toISOString() ?? null,
    lastTryAt: row.last_try_at?.toISOString() ?? null,
    fault: row.last_fault,
    addedBy: row.added_by,
    addedAt: row.added_at.toISOString(),
  }
}

async function countPeople(db: Db, row: Row<'directory'>): Promise<number> {
  const { people } = await db
    .selectFrom('directory_user')
    .innerJoin('app_user', 'app_user.id', 'directory_user.user_id')
    .select((eb) => eb.fn.countAll<number>().as('people'))
    .where('directory_user.directory_id', '=', row.id)
    .where('app_user.state', '<>', 'disabled')
    .executeTakeFirstOrThrow()
  return people
}
