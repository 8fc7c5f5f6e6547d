import { type Kysely, sql, type SqlBool } from 'kysely'
import type { HeldKind, Keeping, LegalHoldView } from '../contract.ts'
import type { Database } from '../db/tables.ts'
import { takeFreshCode } from '../identity/fresh-code.ts'
import { othersOf, whySame } from '../identity/same-person.ts'
import { findUser } from '../identity/user.ts'
import { isId, type LegalHoldId, newId, type SessionId, type UserId } from '../kernel/id.ts'
import { done, type Outcome, refuse } from '../kernel/outcome.ts'
import { notFound } from '../not-found.ts'
import { type Checker, checkedWhole, insertGuarded, type Row, updateGuarded } from '../rows.ts'
import { findSafe } from '../safes/safe.ts'
import { transact } from '../transact.ts'
import type { Tx } from '../transaction.ts'
import { by, type Call, type Handler, nameOf, userOf, type World } from '../world.ts'
import { type Condition, keptUntil, lockRetention, readRetention } from './kept.ts'

type Db = Kysely<Database>

/** A hold with all that it is on: of a person, each user who is them. */
export type Hold = Row<'legal_hold'> & { readonly ids: readonly string[] }

/**
 * The holds that nobody has lifted.
 *
 * SECURITY: one that is gone although the vault wrote it is a fault: what it held would be due.
 */
export async function holdsInForce(db: Db, checker: Checker): Promise<readonly Hold[]> {
  const found: Hold[] = []
  for (const row of await allHolds(db, checker))
    if (row.lifted_at === null) found.push(await withIds(db, checker, row))
  return found
}

async function allHolds(db: Db, checker: Checker): Promise<readonly Row<'legal_hold'>[]> {
  const query = db.selectFrom('legal_hold').selectAll().orderBy('placed_at', 'desc').orderBy('id', 'desc')
  return checkedWhole(checker, 'legal_hold', await query.execute())
}

async function withIds(db: Db, checker: Checker, row: Row<'legal_hold'>): Promise<Hold> {
  if (row.of_kind !== 'person') return { ...row, ids: [row.of_id] }
  const others = await othersOf(db, checker, { id: row.of_id as UserId })
  return { ...row, ids: [row.of_id, ...others.map(({ id }) => id)] }
}

const columns = {
  recording: 'session.recording_id',
  session: 'session.id',
  person: 'session.user_id',
  safe: 'session.safe_id',
} as const

/** Whether one of the holds is on the recording of a row of `session`. */
export function heldCondition(holds: readonly Hold[]): Condition {
  const parts = holds.map(
    ({ of_kind, ids }): Condition => sql<SqlBool>`${sql.ref(columns[of_kind])} = any(${ids}::text[])`,
  )
  return sql<SqlBool>`(${sql.join([sql`false`, ...parts], sql` or `)})`
}

/** The holds that are on a recording. */
export function holdsOn(
  holds: readonly Hold[],
  row: Pick<Row<'session'>, 'id' | 'recording_id' | 'user_id' | 'safe_id'>,
): readonly Hold[] {
  const known = { recording: row.recording_id, session: row.id, person: row.user_id, safe: row.safe_id }
  return holds.filter(({ of_kind, ids }) => ids.includes(known[of_kind]))
}

/** Says how long recordings are kept, and what holds them, as it is now. */
export async function readKeeping({ vault: { database, guard } }: World) {
  const { of } = await readRetention(database, guard)
  const holds = await holdsInForce(database, guard)
  return (row: Pick<Row<'session'>, 'id' | 'recording_id' | 'user_id' | 'safe_id' | 'ended_at'>): Keeping => {
    const kept = of(row.safe_id)
    const until = row.ended_at === null ? null : keptUntil(kept, row.ended_at)
    return {
      retentionClass: kept.name,
      until: until?.toISOString() ?? null,
      holds: holdsOn(holds, row).map(({ id, of_kind, matter }) => ({ id, on: of_kind, matter })),
    }
  }
}

async function show(db: Db, hold: Hold): Promise<LegalHoldView> {
  const { recordings } = await db
    .selectFrom('session')
    .innerJoin('recording', 'recording.session_id', 'session.id')
    .select((eb) => eb.fn.countAll<string>().as('recordings'))
    .where(heldCondition([hold]))
    .executeTakeFirstOrThrow()
  const { lift_by_name, lift_reason, lift_asked_at, lifted_at, lifted_by_name } = hold
  return {
    id: hold.id,
    on: { kind: hold.of_kind, id: hold.of_id, name: hold.of_name },
    matter: hold.matter,
    reason: hold.reason,
    placedBy: hold.placed_by_name,
    placedAt: hold.placed_at.toISOString(),
    lift:
      lift_by_name === null || lift_asked_at === null
        ? null
        : { by: lift_by_name, reason: lift_reason ?? '', at: lift_asked_at.toISOString() },
    lifted: lifted_at === null ? null : { by: lifted_by_name ?? '', at: lifted_at.toISOString() },
    recordings: Number(recordings),
  }
}

const shown = async (tx: Tx, row: Row<'legal_hold'>): Promise<Outcome<LegalHoldView>> =>
  done(await show(tx.db, await withIds(tx.db, tx.guard, row)))

export const legalHoldList: Handler<'legalhold.list'> = async (call, { state }) =>
  transact(call.world, async (tx) => {
    const found: LegalHoldView[] = []
    for (const row of await allHolds(tx.db, tx.guard))
      if (state === 'all' || row.lifted_at === null)
        found.push(await show(tx.db, await withIds(tx.db, tx.guard, row)))
    return done(found)
  })

/** Keeps what it is on from being destroyed, from now on. */
export const legalHoldPlace: Handler<'legalhold.place'> = async (call, input) =>
  transact(call.world, async (tx) => {
    await lockRetention(tx.db)
    const on = await findHeld(tx, input.kind, input.of)
    if (!on.ok) return on
    const row = await insertGuarded(tx, 'legal_hold', {
      id: newId('lho', tx.now.getTime()),
      of_kind: input.kind,
      of_id: on.value.id,
      of_name: on.value.name,
      matter: input.matter,
      reason: input.reason,
      placed_by: placerOf(call),
      placed_by_name: nameOf(call),
      placed_at: tx.now,
      lift_by: null,
      lift_by_name: null,
      lift_reason: null,
      lift_asked_at: null,
      lifted_by_name: null,
      lifted_at: null,
    })
    await tx.audit({ kind: 'legalhold.placed', ...told(row), reason: row.reason, ...by(call) })
    return shown(tx, row)
  })

/**
 * Asks for a hold to be lifted; lifts it where somebody else has asked.
 *
 * SECURITY: two people, each with a second factor; two users of one person are one.
 */
export const legalHoldLift: Handler<'legalhold.lift'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const code = await takeFreshCode(tx, call, input.totpCode)
    if (!code.ok) return code
    const found = await findInForce(tx, input.legalHold)
    if (!found.ok) return found
    const row = found.value
    const { id, name } = userOf(call)
    if (row.lift_by === null) {
      const after = await updateGuarded(tx, 'legal_hold', row, {
        lift_by: id,
        lift_by_name: name,
        lift_reason: input.reason,
        lift_asked_at: tx.now,
      })
      await tx.audit({ kind: 'legalhold.lift-asked', ...told(after), reason: input.reason, ...by(call) })
      return shown(tx, after)
    }
    const alias = row.lift_by === id ? 'the same user' : await whySame(tx.db, tx.guard, row.lift_by, id)
    if (alias !== undefined)
      return refuse(
        'forbidden',
        row.lift_by === id
          ? 'you have asked for it, and another person lifts it'
          : `you have asked for it yourself as ${row.lift_by_name}, who is you: ${alias}`,
        'ask another administrator, auditor or security officer',
      )
    const after = await updateGuarded(tx, 'legal_hold', row, { lifted_by_name: name, lifted_at: tx.now })
    await tx.audit({
      kind: 'legalhold.lifted',
      ...told(after),
      askedBy: row.lift_by_name ?? '',
      reason: input.reason,
      ...by(call),
    })
    return shown(tx, after)
  })

/** Says no to who wants a hold lifted; it stays. */
export const legalHoldKeep: Handler<'legalhold.keep'> = async (call, input) =>
  transact(call.world, async (tx) => {
    const found = await findInForce(tx, input.legalHold)
    if (!found.ok) return found
    const row = found.value
    if (row.lift_by === null)
      return refuse('conflict', 'nobody has asked for it to be lifted', 'there is nothing to say no to')
    const none = { lift_by: null, lift_by_name: null, lift_reason: null, lift_asked_at: null }
    const after = await updateGuarded(tx, 'legal_hold', row, none)
    await tx.audit({ kind: 'legalhold.kept', ...told(after), askedBy: row.lift_by_name ?? '', ...by(call) })
    return shown(tx, after)
  })

function told(row: Row<'legal_hold'>) {
  return {
    legalHold: row.id,
    on: row.of_kind,
    of: row.of_id,
    ofName: row.of_name,
    matter: row.matter,
    ...(row.of_kind === 'person' ? { userName: row.of_name } : {}),
    ...(row.of_kind === 'session' ? { session: row.of_id as SessionId } : {}),
  }
}

function placerOf({ principal }: Call): string {
  return principal.kind === 'user' ? principal.id : 'local'
}

async function findInForce(tx: Tx, id: LegalHoldId): Promise<Outcome<Row<'legal_hold'>>> {
  await lockRetention(tx.db)
  const row = (await allHolds(tx.db, tx.guard)).find((one) => one.id === id)
  if (row === undefined) return notFound('legal hold', id)
  return row.lifted_at === null
    ? done(row)
    : refuse('conflict', 'this hold is lifted already', 'see: tagout legal-hold list --all')
}

async function findHeld(
  tx: Tx,
  kind: HeldKind,
  of: string,
): Promise<Outcome<{ readonly id: string; readonly name: string }>> {
  if (kind === 'person') {
    const user = await findUser(tx.db, tx.guard, of)
    return user === undefined ? notFound('user', of) : done(user)
  }
  if (kind === 'safe') {
    const safe = await findSafe(tx.db, tx.guard, of)
    return safe === undefined ? notFound('safe', of) : done(safe)
  }
  const [prefix, column] =
    kind === 'recording' ? (['rec', 'recording_id'] as const) : (['ses', 'id'] as const)
  const session = isId(prefix, of)
    ? await tx.db
        .selectFrom('session')
        .select(['user_name', 'account_name'])
        .where(column, '=', of as never)
        .executeTakeFirst()
    : undefined
  return session === undefined
    ? notFound(kind, of)
    : done({ id: of, name: `${session.user_name} on ${session.account_name}` })
}
