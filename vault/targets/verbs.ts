import { revisitSoon } from '../access/revisit.ts'
import { followMarks, lockMarks } from '../access/follow.ts'
import { rebindAccounts } from '../accounts/binding.ts'
import { identityOf, opensSessions, type TargetView, type VerbInput } from '../contract.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { findSafe } from '../safes/safe.ts'
import { sightOf } from '../safes/sight.ts'
import { newId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { checked, insertGuarded, updateGuarded } from '../rows.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf } from '../world.ts'
import { formatAddress, parseAddress } from './address.ts'
import { noLegacy } from './legacy.ts'
import {
  desktopOf,
  desktopOfInput,
  findTarget,
  isPin,
  notAPin,
  pinsOf,
  showTarget,
  showTargets,
  writePins,
} from './target.ts'

/** The columns of a target that showed nothing but what is pinned. */
const noChangedKey = { changed_key_type: null, changed_key: null, changed_key_at: null } as const

export const targetAdd: Handler<'target.add'> = (call, input) =>
  transact(call.world, (tx) => addTarget(tx, call, input))

/** Adds a target within a transaction: alone, or as a row of an import. */
export async function addTarget(
  tx: Tx,
  call: Call,
  input: VerbInput<'target.add'>,
): Promise<Outcome<TargetView>> {
  const address = parseAddress(input.address)
  if (!address.ok) return address
  const { pin } = input
  const { protocol } = address.value
  const desktop = desktopOfInput(protocol, input.desktop)
  if (!desktop.ok) return desktop
  const settings = desktopOf({ desktop: desktop.value })
  if (pin !== undefined && !isPin(protocol, settings, pin)) return notAPin(protocol, settings, 'pin')
  const safe = await findSafe(tx.db, tx.guard, input.safe)
  if (safe === undefined) return notFound('safe', input.safe)
  if ((await findTarget(tx.db, tx.guard, input.name)) !== undefined)
    return refuse('conflict', `there is a target ${input.name} already`, 'choose another name')
  const tags = input.tags ?? []
  const zone = input.zone ?? null
  if (tags.length > 0 || zone !== null) {
    if (!maySetMarks(call))
      return refuse(
        'forbidden',
        'tags: only an administrator gives a target tags or a zone, as rules decide by them',
        'leave them out, and ask an administrator',
      )
    await lockMarks(tx)
  }
  const pins = pin === undefined ? [] : [{ type: '', fingerprint: pin, approvedBy: nameOf(call) }]
  const row = await insertGuarded(tx, 'target', {
    id: newId('tgt', tx.now.getTime()),
    name: input.name,
    safe_id: safe.id,
    ...address.value,
    pins: writePins(pins),
    created_at: tx.now,
    removed_at: null,
    ...noChangedKey,
    ...noLegacy,
    tags: tags.length === 0 ? null : tags,
    zone,
    desktop: desktop.value,
    mask: null,
    file_megabytes: null,
  })
  if (tags.length > 0 || zone !== null) await followMarks(tx, call.world, row)
  const target = { target: row.id, targetName: row.name }
  await tx.audit({
    kind: 'target.added',
    address: formatAddress(address.value),
    ...(settings === null ? {} : { desktop: settings }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(zone === null ? {} : { zone }),
    ...target,
    safe: safe.id,
    safeName: safe.name,
    ...by(call),
  })
  if (pin !== undefined)
    await tx.audit({ kind: 'target.pinned', type: '', fingerprint: pin, ...target, ...by(call) })
  return done(await showTarget(tx.db, tx.guard, row, tx.now))
}

export const targetList: Handler<'target.list'> = async (call) => {
  const { database, guard } = call.world.vault
  const sight = await sightOf(call)
  const rows = checked(
    guard,
    'target',
    await database.selectFrom('target').selectAll().where('removed_at', 'is', null).orderBy('name').execute(),
  )
  if (sight.all) return done(await showTargets(database, guard, rows, call.world.vault.clock()))
  const safes = new Set(sight.safesWith('use', 'reveal', 'approve', 'manage', 'break-glass'))
  const granted =
    sight.granted.length === 0
      ? []
      : await database
          .selectFrom('binding')
          .select('target_id')
          .where('account_id', 'in', sight.granted)
          .execute()
  const targets = new Set(granted.map((row) => row.target_id))
  const seen = rows.filter((row) => safes.has(row.safe_id) || targets.has(row.id))
  return done(await showTargets(database, guard, seen, call.world.vault.clock()))
}

export const targetShow: Handler<'target.show'> = async ({ world }, { target }) => {
  const row = await findTarget(world.vault.database, world.vault.guard, target)
  return row === undefined
    ? notFound('target', target)
    : done(await showTarget(world.vault.database, world.vault.guard, row, world.vault.clock()))
}

/** SECURITY: limits hold by what a target carries. Who manages its safe does not lift them. */
function maySetMarks({ principal }: Call): boolean {
  return principal.kind === 'local' || (principal.kind === 'user' && principal.roles.includes('admin'))
}

/** Gives a target other tags, or another zone. Rules of the policy that name them follow in the same transaction. */
export const targetChange: Handler<'target.change'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    await lockMarks(tx)
    const row = await findTarget(tx.db, tx.guard, input.target, 'update')
    if (row === undefined) return notFound('target', input.target)
    const tags = input.tags ?? row.tags ?? []
    const zone = input.zone === undefined ? row.zone : input.zone
    const megabytes = input.fileMegabytes === undefined ? row.file_megabytes : input.fileMegabytes
    const isMarkedSo = tags.join() === (row.tags ?? []).join() && zone === row.zone
    if (isMarkedSo && megabytes === row.file_megabytes)
      return refuse(
        'conflict',
        input.fileMegabytes === undefined
          ? `the target ${row.name} has these tags and this zone already`
          : `the target ${row.name} is as you want it already`,
      )
    if (megabytes !== row.file_megabytes && !opensSessions(row.protocol))
      return refuse(
        'conflict',
        `the target ${row.name} opens no session, which could carry files`,
        'leave the megabytes out',
      )
    const after = await updateGuarded(tx, 'target', row, {
      tags: tags.length === 0 ? null : tags,
      zone,
      file_megabytes: megabytes,
    })
    const of = { target: row.id, targetName: row.name, ...by(call) }
    if (!isMarkedSo) {
      await followMarks(tx, call.world, after)
      await tx.audit({
        kind: 'target.marked',
        tags,
        zone,
        before: { tags: row.tags ?? [], zone: row.zone },
        ...of,
      })
    }
    if (megabytes !== row.file_megabytes)
      await tx.audit({ kind: 'target.files-bound', megabytes, before: row.file_megabytes, ...of })
    return done(await showTarget(tx.db, tx.guard, after, tx.now))
  })

/** Changes the address, and how it is logged in to there. The accounts' bindings no longer fit: nothing is released until somebody binds again who may. */
export const targetAddress: Handler<'target.address'> = async (call, input) => {
  const address = parseAddress(input.address)
  if (!address.ok) return address
  return transact(call.world, async (tx) => {
    const row = await findTarget(tx.db, tx.guard, input.target, 'update')
    if (row === undefined) return notFound('target', input.target)
    // Its pins and its accounts' credentials are of that protocol, and of no other.
    if (row.protocol !== address.value.protocol)
      return refuse(
        'conflict',
        `address: ${row.name} is spoken with over ${row.protocol}`,
        'add another target for another protocol',
      )
    const desktop =
      input.desktop === undefined ? done(row.desktop) : desktopOfInput(row.protocol, input.desktop)
    if (!desktop.ok) return desktop
    const before = formatAddress(row)
    const [was, settings] = [desktopOf(row), desktopOf({ desktop: desktop.value })]
    // SECURITY: an approval that there is nothing to compare is none of a certificate, and the other way round.
    const isOtherwise = identityOf(row.protocol, was) !== identityOf(row.protocol, settings)
    const after = await updateGuarded(tx, 'target', row, {
      ...address.value,
      desktop: desktop.value,
      ...(isOtherwise ? { pins: writePins([]), ...noChangedKey } : {}),
    })
    call.world.scans.take(row.id)
    tx.afterCommit(() => revisitSoon(call.world))
    await tx.audit({
      kind: 'target.address',
      address: formatAddress(address.value),
      before,
      ...(row.desktop === desktop.value ? {} : { desktop: settings, desktopBefore: was }),
      target: row.id,
      targetName: row.name,
      ...by(call),
    })
    return done(await showTarget(tx.db, tx.guard, after, tx.now))
  })
}

/** Pins a host key or a certificate in place of earlier ones. Accounts that were bound to the target until now follow it. */
export const targetPin: Handler<'target.pin'> = async (call, { target: reference, fingerprint }) =>
  transact(call.world, async (tx) => {
    const row = await findTarget(tx.db, tx.guard, reference, 'update')
    if (row === undefined) return notFound('target', reference)
    const settings = desktopOf(row)
    if (!isPin(row.protocol, settings, fingerprint)) return notAPin(row.protocol, settings, 'fingerprint')
    const seen = call.world.scans.get(row.id)?.find((key) => key.fingerprint === fingerprint)
    const known = pinsOf(row).find((pin) => pin.fingerprint === fingerprint)
    const type =
      seen?.type ?? known?.type ?? (row.changed_key === fingerprint ? row.changed_key_type : '') ?? ''
    const after = await updateGuarded(tx, 'target', row, {
      pins: writePins([{ type, fingerprint, approvedBy: nameOf(call) }]),
      ...noChangedKey,
    })
    await tx.audit({
      kind: 'target.pinned',
      type,
      fingerprint,
      target: row.id,
      targetName: row.name,
      ...by(call),
    })
    await rebindAccounts(tx, call, row, after)
    return done(await showTarget(tx.db, tx.guard, after, tx.now))
  })

export const targetRemove: Handler<'target.remove'> = async (call, { target: reference }) =>
  transact(call.world, async (tx) => {
    const row = await findTarget(tx.db, tx.guard, reference, 'update')
    if (row === undefined) return notFound('target', reference)
    const account = await tx.db
      .selectFrom('account')
      .select('login')
      .where('target_id', '=', row.id)
      .where('removed_at', 'is', null)
      .executeTakeFirst()
    if (account !== undefined)
      return refuse(
        'conflict',
        `the target ${row.name} has the account ${account.login}`,
        'remove its accounts first: tagout account remove',
      )
    await updateGuarded(tx, 'target', row, { removed_at: tx.now })
    await tx.audit({ kind: 'target.removed', target: row.id, targetName: row.name, ...by(call) })
    return done(null)
  })
