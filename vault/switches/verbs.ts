import { createHmac, timingSafeEqual } from 'node:crypto'
import type { PlantSwitchState, PlantSwitchView } from '../contract.ts'
import type { Actor } from '../audit/entry.ts'
import { sealToBox } from '../crypto/sealed-box.ts'
import { takeCodeOfPerson } from '../identity/fresh-code.ts'
import { newId, type SwitchId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { Secret } from '../kernel/secret.ts'
import { notFound } from '../not-found.ts'
import { checked, checkedOne, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Handler, type Input, nameOf, type World } from '../world.ts'
import { parseModbusInput } from './input.ts'
import { applySwitches, knownOf, type KnownSwitch, switchesOf } from './switches.ts'

/** How far the clock of a switch that calls may be off, in milliseconds. */
const clockOff = 5 * 60_000

/** Adds a switch. One that is read holds its safes until it was read for the first time. */
export const switchAdd: Handler<'switch.add'> = async (call, input) => {
  const { world } = call
  if ((input.input === undefined) !== (input.stopsAt === undefined))
    return refuse(
      'invalid',
      'stopsAt: it goes with the input that is read',
      'say which value stops: on or off',
    )
  const read = input.input === undefined ? done(undefined) : parseModbusInput(input.input)
  if (!read.ok) return read
  const boxKey = input.boxKey === undefined ? undefined : Buffer.from(input.boxKey, 'base64')
  if (boxKey !== undefined && boxKey.length !== 32)
    return refuse('invalid', 'boxKey: an X25519 public key has 32 bytes')
  if (boxKey !== undefined && input.input !== undefined)
    return refuse('invalid', 'boxKey: what is read calls nobody, and has no key')
  await switchesOf(world)
  return transact(world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const found = await safesNamed(tx, input.safes)
    if (!found.ok) return found
    const safes = found.value
    const taken = await tx.db
      .selectFrom('plant_switch')
      .select('id')
      .where((eb) => eb(eb.fn<string>('lower', ['name']), '=', input.name.toLowerCase()))
      .where('removed_at', 'is', null)
      .executeTakeFirst()
    if (taken !== undefined)
      return refuse('conflict', `there is a plant switch ${input.name}`, 'choose another name')
    const row = await insertGuarded(tx, 'plant_switch', {
      id: newId('psw', tx.now.getTime()),
      name: input.name,
      safes: safes.map(({ id }) => id),
      act: input.act,
      input: input.input ?? null,
      stops_at: input.stopsAt ?? null,
      state: input.input === undefined ? 'run' : 'lost',
      changed_at: tx.now,
      called_at: null,
      added_by: nameOf(call),
      added_at: tx.now,
      removed_at: null,
    })
    await tx.audit({
      kind: 'switch.added',
      switch: row.id,
      switchName: row.name,
      safes: safes.map(({ name }) => name),
      act: row.act,
      ...(row.input === null ? {} : { input: row.input }),
      ...by(call),
    })
    const sealedKey = boxKey === undefined ? undefined : sealedKeyOf(world, row.id, boxKey)
    if (sealedKey !== undefined)
      await tx.audit({ kind: 'switch.key-shown', switch: row.id, switchName: row.name, ...by(call) })
    tx.afterCommit(() => {
      world.switches.all.set(row.id, knownOf(row))
      applySwitches(world).catch((error: unknown) => world.onFault('switch', error))
    })
    return done({ ...(await viewSwitch(tx, row)), ...(sealedKey === undefined ? {} : { sealedKey }) })
  })
}

/** The key with which a switch signs its calls, for whoever adds it: sealed to them, so that the api does not learn it. */
function sealedKeyOf(world: World, id: SwitchId, boxKey: Uint8Array): string {
  using key = Secret.fromText(keyOf(world, id).toString('hex'))
  return Buffer.from(sealToBox(boxKey, key)).toString('base64')
}

/**
 * Changes what a switch holds and does, and where it is read. What it holds no more goes on; with another input it holds
 * until that was read.
 */
export const switchChange: Handler<'switch.change'> = async (call, input) => {
  const { world } = call
  const read = input.input === undefined ? done(undefined) : parseModbusInput(input.input)
  if (!read.ok) return read
  await switchesOf(world)
  return transact(world, async (tx) => {
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await lockSwitch(tx, input.switch)
    if (row === undefined) return notFound('switch', input.switch)
    if (row.input === null && (input.input !== undefined || input.stopsAt !== undefined))
      return refuse(
        'conflict',
        `${row.name} calls: nothing is read of it`,
        'take it away, and add one that is read',
      )
    const found = await safesNamed(tx, input.safes ?? row.safes)
    if (!found.ok) return found
    const safes = found.value.map(({ id }) => id)
    const after = {
      safes,
      act: input.act ?? row.act,
      input: input.input ?? row.input,
      stops_at: input.stopsAt ?? row.stops_at,
    }
    const isReadAnew = after.input !== row.input || after.stops_at !== row.stops_at
    const what = [
      ...([...safes].sort().join() === [...row.safes].sort().join() ? [] : ['safes']),
      ...(after.act === row.act ? [] : ['act']),
      ...(isReadAnew ? ['input'] : []),
    ]
    if (what.length === 0)
      return refuse('conflict', `the plant switch ${row.name} is so already`, 'say what to change')
    const changed = await updateGuarded(tx, 'plant_switch', row, {
      ...after,
      ...(isReadAnew ? { state: 'lost' as const, changed_at: tx.now } : {}),
    })
    await tx.audit({
      kind: 'switch.changed',
      switch: row.id,
      switchName: row.name,
      what,
      safes: found.value.map(({ name }) => name),
      act: after.act,
      ...(after.input === null ? {} : { input: after.input, stopsAt: after.stops_at === true }),
      ...by(call),
    })
    tx.afterCommit(() => {
      // SECURITY: the same object, which a turn that is under way works on; its state is the turn's unless it is read anew.
      const known = world.switches.all.get(row.id)
      if (known === undefined) return
      known.safes = safes
      known.act = after.act
      known.input = after.input
      if (isReadAnew) known.state = 'lost'
      applySwitches(world).catch((error: unknown) => world.onFault('switch', error))
    })
    return done(await viewSwitch(tx, changed))
  })
}

async function safesNamed(tx: Tx, names: readonly string[]): Promise<Outcome<readonly Row<'safe'>[]>> {
  const safes = new Map<string, Row<'safe'>>()
  for (const name of new Set(names)) {
    const safe = await findSafe(tx.db, tx.guard, name)
    if (safe === undefined) return notFound('safe', name)
    safes.set(safe.id, safe)
  }
  return done([...safes.values()])
}

/** Takes a switch away. What it held goes on. */
export const switchRemove: Handler<'switch.remove'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const { world } = call
    const code = await takeCodeOfPerson(tx, call, input.totpCode)
    if (!code.ok) return code
    const row = await lockSwitch(tx, input.switch)
    if (row === undefined) return notFound('switch', input.switch)
    await updateGuarded(tx, 'plant_switch', row, { removed_at: tx.now })
    await tx.audit({ kind: 'switch.removed', switch: row.id, switchName: row.name, ...by(call) })
    tx.afterCommit(() => {
      world.switches.all.delete(row.id)
      applySwitches(world).catch((error: unknown) => world.onFault('switch', error))
    })
    return done(null)
  })

export const switchList: Handler<'switch.list'> = async ({ world }) =>
  transact(world, async (tx) => {
    const rows = checked(
      tx.guard,
      'plant_switch',
      await tx.db
        .selectFrom('plant_switch')
        .selectAll()
        .where('removed_at', 'is', null)
        .orderBy('name')
        .execute(),
    )
    const views: PlantSwitchView[] = []
    for (const row of rows) views.push(await viewSwitch(tx, row))
    return done(views)
  })

/** The key with which a switch signs its calls, in hex: for the machine's administrator, who takes it to the plant. */
export const switchKey: Handler<'switch.key'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const row = await lockSwitch(tx, input.switch)
    if (row === undefined) return notFound('switch', input.switch)
    if (row.input !== null)
      return refuse('conflict', `${row.name} is read: it calls nobody`, 'what reads it needs no key')
    await tx.audit({ kind: 'switch.key-shown', switch: row.id, switchName: row.name, ...by(call) })
    return done({ key: keyOf(call.world, row.id).toString('hex') })
  })

/**
 * A call of a switch at the plant, signed with its key.
 *
 * SECURITY: each names a later moment than the one before, so that none is taken twice. To an outsider a wrong
 * signature, an old call and a switch that there is not read alike.
 */
export const switchCall: Handler<'switch.call'> = async ({ world }, input) => {
  const { vault } = world
  const row = (await switchesOf(world)).find(({ name }) => name.toLowerCase() === input.switch.toLowerCase())
  const text = signedText(row?.name ?? input.switch, input.state, input.at)
  // Computed for one that there is not, too: that takes as long.
  const right = createHmac('sha256', keyOf(world, row?.id ?? ('psw_none' as SwitchId)))
    .update(text)
    .digest()
  const isRight = timingSafeEqual(right, Buffer.from(input.signature, 'hex'))
  const at = Date.parse(input.at)
  if (row === undefined || !isRight || Math.abs(at - vault.clock().getTime()) > clockOff) return badCall
  if (at <= row.calledAt) return badCall
  // Noted before the first await: of two copies of a call at once, one gets past here.
  row.calledAt = at
  return turn(world, row, input.state, { calledAt: new Date(at), source: input.source })
}

const badCall = refuse(
  'unauthenticated',
  'there is no such plant switch, or this is no call of it',
  'check its name, its key and its clock',
)

/** What a switch signs: three lines after a line of ours. */
export function signedText(name: string, state: string, at: string): string {
  return `tagout-plant-switch-1\n${name}\n${state}\n${at}`
}

/** The inputs that are read, for whoever reads them. Names and places alone. */
export const switchInputs: Handler<'switch.inputs'> = async ({ world }) => {
  const { database, guard } = world.vault
  const rows = checked(
    guard,
    'plant_switch',
    await database
      .selectFrom('plant_switch')
      .selectAll()
      .where('removed_at', 'is', null)
      .where('input', 'is not', null)
      .execute(),
  )
  return done(
    rows.flatMap(({ id, input, stops_at }) => {
      const read = parseModbusInput(input ?? '')
      return read.ok ? [{ switch: id, input: input ?? '', ...read.value, stopsAt: stops_at === true }] : []
    }),
  )
}

/** What an input was read as. Said again, it changes nothing. */
export const switchSense: Handler<'switch.sense'> = async ({ world }, input) => {
  const known = (await switchesOf(world)).find(({ id }) => id === input.switch)
  if (known === undefined) return refuse('not_found', 'there is no such plant switch')
  // SECURITY: what was read at its input of before says nothing of the one that it has now.
  if (input.input !== undefined && input.input !== known.input)
    return refuse('conflict', 'this switch is read elsewhere now')
  return known.state === input.state ? done(null) : turn(world, known, input.state, { read: input })
}

/**
 * Turns a switch.
 *
 * SECURITY: stopping is done first and written down afterwards, also while the vault is sealed or its database away;
 * letting go on is written down first.
 */
async function turn(
  world: World,
  known: KnownSwitch,
  state: PlantSwitchState,
  how: { readonly calledAt?: Date; readonly source?: string; readonly read?: Read },
): Promise<Outcome<null>> {
  if (state !== 'run') {
    known.state = state
    await applySwitches(world, known)
  }
  if (world.vault.isSealed) {
    if (state === 'run') return refuse('sealed', 'the vault is sealed: what is held stays held', 'unseal it')
    await world.vault.inTransaction((tx) => tx.audit(turned(known, state, how)))
    return done(null)
  }
  return transact(world, async (tx) => {
    const row = await lockSwitch(tx, known.id)
    if (row === undefined) return refuse('not_found', 'there is no such plant switch')
    if (state === 'run' && how.read !== undefined && !isOf(row, how.read))
      return refuse('conflict', 'this switch is read otherwise now')
    await updateGuarded(tx, 'plant_switch', row, {
      state,
      changed_at: row.state === state ? row.changed_at : tx.now,
      ...(how.calledAt === undefined ? {} : { called_at: how.calledAt }),
    })
    if (row.state !== state) await tx.audit(turned(known, state, how))
    tx.afterCommit(() => {
      known.state = state
      applySwitches(world, known).catch((error: unknown) => world.onFault('switch', error))
    })
    return done(null)
  })
}

type Read = Pick<Input<'switch.sense'>, 'input' | 'stopsAt'>

/** Was it read where, and taken for what, the row says now? SECURITY: a change that came meanwhile is not undone. */
function isOf(row: Row<'plant_switch'>, { input, stopsAt }: Read): boolean {
  return (input === undefined || input === row.input) && (stopsAt === undefined || stopsAt === row.stops_at)
}

function turned({ id, name }: KnownSwitch, state: PlantSwitchState, how: { readonly source?: string }) {
  const actor: Actor = { kind: 'plane', plane: 'api' }
  return {
    kind: 'switch.turned',
    switch: id,
    switchName: name,
    state,
    actor,
    ...(how.source === undefined ? {} : { source: how.source }),
  } as const
}

function keyOf(world: World, id: SwitchId): Buffer {
  return createHmac('sha256', world.vault.purposeKey('plant-switch')).update(id).digest()
}

async function lockSwitch(tx: Tx, reference: string): Promise<Row<'plant_switch'> | undefined> {
  return checkedOne(tx.guard, 'plant_switch', await switchNamed(tx, reference).forUpdate().executeTakeFirst())
}

/** A switch, by its id or name. */
export async function findSwitch(tx: Tx, reference: string): Promise<Row<'plant_switch'> | undefined> {
  return checkedOne(tx.guard, 'plant_switch', await switchNamed(tx, reference).executeTakeFirst())
}

function switchNamed(tx: Tx, reference: string) {
  return tx.db
    .selectFrom('plant_switch')
    .selectAll()
    .where((eb) =>
      eb.or([
        eb('id', '=', reference as SwitchId),
        eb(eb.fn<string>('lower', ['name']), '=', reference.toLowerCase()),
      ]),
    )
    .where('removed_at', 'is', null)
}

async function viewSwitch(tx: Tx, row: Row<'plant_switch'>): Promise<PlantSwitchView> {
  const safes = checked(
    tx.guard,
    'safe',
    await tx.db.selectFrom('safe').selectAll().where('id', 'in', row.safes).execute(),
  )
  return {
    id: row.id,
    name: row.name,
    safes: safes.map(({ name }) => name).sort(),
    act: row.act,
    input: row.input,
    stopsAt: row.stops_at,
    state: row.state,
    changedAt: row.changed_at.toISOString(),
    addedBy: row.added_by,
  }
}
