import type { Kysely } from 'kysely'
import { permissions as allPermissions, type Permission, type SafeView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { isId, newId, type SafeId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { permissionsFault, whoNeverConnects } from '../policy/roles.ts'
import {
  type Checker,
  checked,
  checkedOne,
  deleteGuarded,
  insertGuarded,
  type Row,
  updateGuarded,
} from '../rows.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { mailOf } from '../identity/mail.ts'
import { distinctPeople, inOrder, readPeople } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, userOf } from '../world.ts'
import { sightOf } from './sight.ts'

/** Days within which an exposed secret is rotated, where the safe does not say. */
export const exposureDays = 30

type Db = Kysely<Database>

/** The safe of an id or a name, in any case of letters. */
export async function findSafe(
  db: Db,
  checker: Checker,
  reference: string,
  lock: 'read' | 'update' = 'read',
): Promise<Row<'safe'> | undefined> {
  const base = db.selectFrom('safe').selectAll()
  const query = isId('saf', reference)
    ? base.where('id', '=', reference as SafeId)
    : base.where((eb) => eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()))
  return checkedOne(
    checker,
    'safe',
    await (lock === 'update' ? query.forNoKeyUpdate() : query).executeTakeFirst(),
  )
}

async function showSafes(
  db: Db,
  checker: Checker,
  safes: readonly Row<'safe'>[],
): Promise<readonly SafeView[]> {
  if (safes.length === 0) return []
  const ids = safes.map((safe) => safe.id)
  const members = await db
    .selectFrom('safe_member')
    .innerJoin('app_user', 'app_user.id', 'safe_member.user_id')
    .selectAll('safe_member')
    .select('app_user.name as user_name')
    .where('safe_id', 'in', ids)
    .orderBy('app_user.name')
    .execute()
  checked(checker, 'safe_member', members)
  const escalations = safes.flatMap(({ escalate_to, break_glass_alarms }) => [
    ...(escalate_to === null ? [] : [escalate_to]),
    ...((break_glass_alarms ?? []) as readonly UserId[]),
  ])
  const named = new Map<string, string>(
    escalations.length === 0
      ? []
      : (await db.selectFrom('app_user').select(['id', 'name']).where('id', 'in', escalations).execute()).map(
          ({ id, name }) => [id, name],
        ),
  )
  const counted = async (table: 'target' | 'account') => {
    const rows = await db
      .selectFrom(table)
      .select(['safe_id', (eb) => eb.fn.countAll<number>().as('count')])
      .where('safe_id', 'in', ids)
      .where('removed_at', 'is', null)
      .groupBy('safe_id')
      .execute()
    return new Map(rows.map((row) => [row.safe_id, row.count]))
  }
  const [targets, accounts] = [await counted('target'), await counted('account')]
  return safes.map((safe) => ({
    id: safe.id,
    name: safe.name,
    inputPolicy: safe.input_policy,
    watchNotice: safe.watch_notice ?? true,
    approvals: safe.approvals ?? 1,
    exposureDays: safe.exposure_days ?? exposureDays,
    closeOut: safe.close_out ?? 'none',
    notifications: {
      unansweredMinutes: safe.unanswered_minutes,
      escalateTo: named.get(safe.escalate_to ?? '') ?? null,
      sessions: safe.session_notices ?? false,
    },
    breakGlass:
      safe.break_glass_minutes === null
        ? null
        : {
            minutes: safe.break_glass_minutes,
            alarms: (safe.break_glass_alarms ?? []).map((id) => named.get(id) ?? ''),
          },
    targets: targets.get(safe.id) ?? 0,
    accounts: accounts.get(safe.id) ?? 0,
    members: members
      .filter((member) => member.safe_id === safe.id)
      .map((member) => ({ user: member.user_name, permissions: member.permissions })),
    createdAt: safe.created_at.toISOString(),
  }))
}

async function showSafe(db: Db, checker: Checker, safe: Row<'safe'>): Promise<SafeView> {
  const [view] = await showSafes(db, checker, [safe])
  if (view === undefined) throw new TypeError('a safe that was read is shown')
  return view
}

export const safeAdd: Handler<'safe.add'> = async (call, { name, inputPolicy }) =>
  transact(call.world, async (tx) => {
    if ((await findSafe(tx.db, tx.guard, name)) !== undefined)
      return refuse('conflict', `there is a safe ${name} already`, 'choose another name')
    const row = await insertGuarded(tx, 'safe', {
      id: newId('saf', tx.now.getTime()),
      name,
      input_policy: inputPolicy ?? 'echoed',
      created_at: tx.now,
      watch_notice: null,
      approvals: null,
      exposure_days: null,
      close_out: null,
      unanswered_minutes: null,
      escalate_to: null,
      session_notices: null,
      break_glass_minutes: null,
      break_glass_alarms: null,
      retention_class: null,
    })
    await call.world.vault.secrets.addSafe(tx, row.id)
    await tx.audit({
      kind: 'safe.added',
      safe: row.id,
      safeName: name,
      inputPolicy: row.input_policy,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, row))
  })

/** Says whether users are told who watches them. */
export const safeWatchNotice: Handler<'safe.watchNotice'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const after = await updateGuarded(tx, 'safe', safe, { watch_notice: input.shown })
    await tx.audit({
      kind: 'safe.watch-notice',
      shown: input.shown,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, after))
  })

/** Says how many people must approve a request for an account of the safe. */
export const safeApprovals: Handler<'safe.approvals'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const after = await updateGuarded(tx, 'safe', safe, { approvals: input.approvals })
    await tx.audit({
      kind: 'safe.approvals-set',
      approvals: input.approvals,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, after))
  })

/** Says within how many days a secret that somebody has seen is rotated. */
export const safeExposure: Handler<'safe.exposure'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const before = safe.exposure_days ?? exposureDays
    if (input.days > before && input.reason === undefined)
      return refuse(
        'invalid',
        'reason: say why seen secrets are rotated later than now',
        'it is in the audit log',
      )
    const after = await updateGuarded(tx, 'safe', safe, { exposure_days: input.days })
    await tx.audit({
      kind: 'safe.exposure-set',
      days: input.days,
      before,
      reason: input.reason ?? '',
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, after))
  })

/** Says whether users say what they did in its sessions. */
export const safeCloseOut: Handler<'safe.closeOut'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const closeOut = input.closeOut === 'none' ? null : input.closeOut
    const after = await updateGuarded(tx, 'safe', safe, { close_out: closeOut })
    await tx.audit({
      kind: 'safe.close-out-set',
      closeOut: input.closeOut,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, after))
  })

/** Says who is written to about the safe. */
export const safeNotifications: Handler<'safe.notifications'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const named = input.escalateTo ?? null
    const user = named === null ? undefined : await findUser(tx.db, tx.guard, named)
    if (named !== null && user === undefined) return notFound('user', named)
    if (user !== undefined && (user.state === 'disabled' || whoNeverConnects(user.roles) !== undefined))
      return refuse(
        'conflict',
        `escalateTo: the user ${user.name} ${user.state === 'disabled' ? 'is disabled' : `is ${whoNeverConnects(user.roles)}`}`,
        'name somebody who can do something about it',
      )
    const after = await updateGuarded(tx, 'safe', safe, {
      ...(input.unansweredMinutes === undefined ? {} : { unanswered_minutes: input.unansweredMinutes }),
      ...(input.escalateTo === undefined ? {} : { escalate_to: user?.id ?? null }),
      ...(input.sessions === undefined ? {} : { session_notices: input.sessions }),
    })
    const view = await showSafe(tx.db, tx.guard, after)
    const { unansweredMinutes, escalateTo, sessions } = view.notifications
    await tx.audit({
      kind: 'safe.notifications-set',
      ...(unansweredMinutes === null ? {} : { unansweredMinutes }),
      ...(escalateTo === null ? {} : { escalateTo }),
      sessions,
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(view)
  })

/**
 * Says for how long a member with `break-glass` may let themselves in, and who is alarmed; null ends it. A person gives a
 * fresh code.
 */
export const safeBreakGlass: Handler<'safe.breakGlass'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const safe = await findSafe(tx.db, tx.guard, input.safe, 'update')
    if (safe === undefined) return notFound('safe', input.safe)
    const { minutes } = input
    const alarms = minutes === null ? done(null) : await alarmsOf(tx, input.alarms ?? [])
    if (!alarms.ok) return alarms
    const after = await updateGuarded(tx, 'safe', safe, {
      break_glass_minutes: minutes,
      break_glass_alarms: alarms.value?.map(({ id }) => id) ?? null,
    })
    await tx.audit({
      kind: 'safe.break-glass-set',
      ...(minutes === null ? {} : { minutes }),
      alarms: alarms.value?.map(({ name }) => name) ?? [],
      safe: safe.id,
      safeName: safe.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, after))
  })

/** Those who are alarmed: two different people at least, who can sign in and be written to. */
async function alarmsOf(tx: Tx, references: readonly string[]): Promise<Outcome<readonly Row<'app_user'>[]>> {
  const found = new Map<UserId, Row<'app_user'>>()
  for (const reference of references) {
    const user = await findUser(tx.db, tx.guard, reference)
    if (user === undefined) return notFound('user', reference)
    if (user.state !== 'active')
      return refuse(
        'conflict',
        `alarms: the user ${user.name} ${user.state === 'disabled' ? 'is disabled' : 'has not signed in yet'}`,
        'name somebody who can look at it',
      )
    if ((await mailOf(tx.db, tx.guard, user.id)) === undefined)
      return refuse(
        'conflict',
        `alarms: the user ${user.name} has no mail address`,
        `set one: tagout user mail ${user.name} ADDRESS`,
      )
    found.set(user.id, user)
  }
  const alone = 'one alone may be the one who opens it'
  if (found.size < 2) return refuse('invalid', 'alarms: name two different people at least', alone)
  // SECURITY: two users of one person are one, who would be alarmed of themself.
  const people = inOrder(await readPeople(tx.db, tx.guard, [...found.keys()]), [...found.keys()])
  return distinctPeople(people).length >= 2
    ? done([...found.values()])
    : refuse('invalid', `alarms: ${people.map(({ name }) => name).join(', ')} are one person`, alone)
}

export const safeList: Handler<'safe.list'> = async (call) => {
  const { database, guard } = call.world.vault
  const sight = await sightOf(call)
  let query = database.selectFrom('safe').selectAll().orderBy('name')
  if (!sight.all) {
    const ids = sight.safesWith(...allPermissions)
    if (ids.length === 0) return done([])
    query = query.where('id', 'in', ids)
  }
  const safes = checked(guard, 'safe', await query.execute())
  const views = await showSafes(database, guard, safes)
  if (sight.all || !sight.isVendor) return done(views)
  const { name } = userOf(call)
  return done(views.map((view) => ({ ...view, members: view.members.filter(({ user }) => user === name) })))
}

/** What makes others powerful: the secrets themselves, who is let in, whose hands and eyes are where, and where secrets go; and who asks nobody. */
const grave: readonly Permission[] = ['reveal', 'approve', 'supervise', 'observe', 'manage', 'break-glass']

/**
 * Sets what a member may do in a safe; no permissions end the membership. A person gives a fresh code where a grave one
 * is added: it outlives the login that gave it.
 */
export const safeMemberSet: Handler<'safe.member.set'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const safe = await findSafe(tx.db, tx.guard, input.safe)
    if (safe === undefined) return notFound('safe', input.safe)
    const held = await permissionsOf(tx, safe.id, input.user)
    const added = input.permissions.filter((one) => grave.includes(one) && !held.includes(one))
    if (added.length > 0) {
      const code = await takeCodeOfPerson(tx, call, input.totpCode)
      if (!code.ok) return code
    }
    const user = await findUser(tx.db, tx.guard, input.user, 'update')
    if (user === undefined) return notFound('user', input.user)
    const fault = permissionsFault(user.roles, input.permissions)
    if (fault !== undefined) return refuse('conflict', `permissions: ${fault}`)
    const before = checkedOne(
      tx.guard,
      'safe_member',
      await tx.db
        .selectFrom('safe_member')
        .selectAll()
        .where('safe_id', '=', safe.id)
        .where('user_id', '=', user.id)
        .forUpdate()
        .executeTakeFirst(),
    )
    const permissions = [...input.permissions]
    // SECURITY: a code was asked for what was new then.
    const isNew = (one: Permission) => grave.includes(one) && before?.permissions.includes(one) !== true
    if (permissions.some((one) => isNew(one) && !added.includes(one)))
      return refuse('conflict', `the permissions of ${user.name} were changed meanwhile`, 'look again')
    if (permissions.length === 0) {
      if (before !== undefined) await deleteGuarded(tx, 'safe_member', before)
    } else if (before === undefined)
      await insertGuarded(tx, 'safe_member', { safe_id: safe.id, user_id: user.id, permissions })
    else await updateGuarded(tx, 'safe_member', before, { permissions })
    await tx.audit({
      kind: 'safe.member-set',
      permissions,
      safe: safe.id,
      safeName: safe.name,
      user: user.id,
      name: user.name,
      ...by(call),
    })
    return done(await showSafe(tx.db, tx.guard, safe))
  })

async function permissionsOf(tx: Tx, safe: SafeId, reference: string): Promise<readonly Permission[]> {
  const user = await findUser(tx.db, tx.guard, reference)
  if (user === undefined) return []
  const row = checkedOne(
    tx.guard,
    'safe_member',
    await tx.db
      .selectFrom('safe_member')
      .selectAll()
      .where('safe_id', '=', safe)
      .where('user_id', '=', user.id)
      .executeTakeFirst(),
  )
  return row?.permissions ?? []
}
